"""What a way in is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tinyops.link.client import LinkClosed

if TYPE_CHECKING:
    from tinyops.specs.dataset import Signal


class StreamEnded(LinkClosed):
    """The other end said all that it had to say: a file's end, an answer's end."""


class Stream(Protocol):
    """Bytes of one device, which one thread reads. `finite`: a file's, all of which are wanted."""

    name: str
    finite: bool

    def read(self, timeout_s: float) -> bytes:
        """What has come; b"" at the time limit. May wait longer where `close` ends the wait.

        Raises LinkClosed when the other end is gone, StreamEnded when it is done.
        """

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends everything. Raises LinkTimeout or LinkClosed; never called where `Traits.talks` is false."""

    def retune(self) -> bool:
        """Goes on to the next speed at which the device may speak; False when none is left."""

    def speeds_left(self) -> int:
        """How often `retune` will succeed."""

    def close(self) -> None:
        """Ends it, also for a thread that reads. May be called twice."""


class OneWay:
    """What a stream has in common with others that only bring bytes, at one speed."""

    def write(self, data: bytes, timeout_s: float) -> None:
        raise NotImplementedError("nobody listens")

    def retune(self) -> bool:
        return False

    def speeds_left(self) -> int:
        return 0


@dataclass(frozen=True)
class Traits:
    """What follows from a way. `talks`: requests reach the device. `begun`: its first byte is the beginning of what
    the device says. `datagrams`: a chunk is a message. `format`: the dialect, where the way decides it."""

    talks: bool = False
    begun: bool = False
    datagrams: bool = False
    waits: bool = False  # for a device that may come in an hour
    live: bool = True  # bytes come when they are measured; never of a finite stream
    format: str = ""


@dataclass(frozen=True)
class Opening:
    """What ways may need to know."""

    signal: Signal
    baud: int | None = None  # of a serial line; None: those of our firmware, one after the other
    rate_hz: float | None = None  # of a camera: images a second


class Way(Protocol):
    """A way in. `option` is its command-line option, `metavar` what is given to it ("" for nothing), `default` what
    stands for no value where it may be left out."""

    @property
    def option(self) -> str: ...

    @property
    def metavar(self) -> str: ...

    @property
    def default(self) -> str | None: ...

    @property
    def about(self) -> str: ...

    @property
    def traits(self) -> Traits: ...

    def check(self, address: str) -> None:
        """Raises UsageError for an address that is none. Opens nothing."""

    def open(self, address: str, opening: Opening) -> Stream:
        """Raises UsageError, ToolError or LinkClosed."""
