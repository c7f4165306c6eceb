"""What every kind of transport offers, and what an update must know of it."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol
from urllib.parse import urlsplit

from tinyops.errors import UsageError
from tinyops.link.smp.messages import Messages

SMP_PORT = 1337  # MCUmgr's, for UDP; ours for TCP as well
WINDOW_MAX = 8
ANSWER_S = 40.0  # for one request, resent or not: some boards erase a whole slot at once


@dataclass(frozen=True)
class Traits:
    """How messages travel on a kind of transport, and how patient to be there.

    `framing`: lines with a CRC of their own, or messages as they are, for links with their own integrity. `window` is
    how many requests may be in flight where the board has the buffers. `resend_s` is how long to wait for an answer
    before the request goes out again; None where nothing is lost unless the link is: then the link is opened anew.
    `resend_min_s`: on a link where asking twice costs nothing, the wait comes down to this with the answers' own time.
    `message_max` bounds a message beside the board's own buffer.
    """

    framing: Literal["console", "raw", "none"]
    window: int
    resend_s: float | None
    connect_s: float
    resend_min_s: float | None = None
    answer_s: float = ANSWER_S
    message_max: int | None = None


class Channel(Messages, Protocol):
    """An open way to one device."""

    def close(self) -> None:
        """Closes it; a second time is no error."""

    def __enter__(self) -> Channel: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Transport(Protocol):
    """A kind of transport. To add one, write a class with these in a file of its own, and list it in `registry`."""

    name: str
    form: str  # of its addresses
    about: str

    def takes(self, address: str) -> bool:
        """Whether an address is of this kind, well-formed or not."""

    def check(self, address: str) -> None:
        """Raises UsageError for an address that is malformed, or where nothing can be sent to."""

    def traits(self, address: str) -> Traits: ...

    def open(self, address: str, *, settle_s: float = 0.0) -> Channel:
        """Connects within the traits' `connect_s`; a board that opening resets is left alone for `settle_s` first.

        Raises ToolError when it is not there (LinkError when it may come back), or a package is missing.
        """


class Closing:
    """The context manager of a channel."""

    def __enter__(self) -> Channel:
        return self  # type: ignore[return-value]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()  # type: ignore[attr-defined]


def host_and_port(address: str, form: str) -> tuple[str, int]:
    """Of `scheme://HOST[:PORT]`. Raises UsageError."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    else:
        whole = not (parts.path or parts.query or parts.fragment or parts.username is not None)
        host = host if whole else None
    if not host or port == 0:
        raise UsageError(f"{address}: is no address of a device", hint=f"write {form}")
    return host, SMP_PORT if port is None else port
