"""What a remote store offers: files by name. And what may be asked of it: time limits, bounded retries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from tinyops.errors import RemoteError, TinyopsError
from tinyops.process import LONGEST_WAIT_S
from tinyops.remote.secrets import hidden

Result = TypeVar("Result")
_SHOWN_ERROR = 200


@dataclass(frozen=True)
class Stored:
    """A file of a store: its name below the root, its length, and its age by the store's own clock where it has one."""

    name: str
    bytes: int
    age_s: float | None


class Sink(Protocol):
    """What takes the bytes of a file."""

    def write(self, data: bytes, /) -> object: ...


class Remote(Protocol):
    """Files by name below one URL. Methods raise FileNotFoundError for what is not there, anything for the rest.

    A file that is put appears whole or not at all, wherever the file system can do that.
    """

    url: str

    def read(self, name: str, limit_bytes: int) -> bytes:
        """At most `limit_bytes` of a file, from its beginning."""

    def fetch(self, name: str, to: Sink, limit_bytes: int) -> None:
        """The same, piece by piece."""

    def put(self, name: str, source: Path) -> None:
        """Copies a file to a name; what was there is replaced."""

    def write(self, name: str, data: bytes) -> None:
        """The same, of bytes."""

    def stat(self, name: str) -> Stored:
        """What is known of a file."""

    def listing(self) -> Iterator[Stored]:
        """Every file below the URL."""

    def remove(self, name: str) -> None:
        """Removes a file; one that is gone is no error."""


@dataclass(frozen=True)
class Limits:
    """How long one operation may take, by the bytes that it moves, and how often it is tried."""

    base_s: float = 30.0
    bytes_per_s: float = 256 * 1024
    attempts: int = 2
    pause_s: float = 1.0

    def seconds(self, size: int) -> float:
        return self.base_s + size / self.bytes_per_s


class Patience:
    """Runs operations that may hang, in threads that are left behind at their limit."""

    def __init__(self, limits: Limits, hide: Sequence[object] = ()) -> None:
        """`hide` are secrets, which a foreign error might quote."""
        self.limits = limits
        self._hide = tuple(hide)
        self._ended = threading.Event()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def end(self) -> None:
        """Whoever waits gives up: for Ctrl-C."""
        self._ended.set()

    def call(self, what: str, operation: Callable[[], Result], size: int = 0) -> Result:
        """The operation's result. Raises FileNotFoundError and TinyopsError as it does, RemoteError for the rest.

        An operation that reached its limit is not tried again: it had its time.
        """
        for attempt in range(1, self.limits.attempts + 1):
            answer = _Answer(operation)
            self._wait(answer, what, self.limits.seconds(size))
            if answer.error is None:
                return answer.value
            if isinstance(answer.error, FileNotFoundError | TinyopsError):
                raise answer.error
            if attempt == self.limits.attempts or self._ended.wait(self.limits.pause_s):
                raise RemoteError(f"{what}: {self._sentence(answer.error)}") from None
        raise AssertionError("at least one attempt")

    def _wait(self, answer: _Answer[Result], what: str, seconds: float) -> None:
        limit = time.monotonic() + seconds
        threading.Thread(target=answer.find, daemon=True, name=f"tinyops remote: {what}").start()
        while not answer.done.wait(LONGEST_WAIT_S):
            if self._ended.is_set():
                raise RemoteError(f"{what}: interrupted")
            if time.monotonic() >= limit:
                raise RemoteError(f"{what}: no answer within {seconds:.3g} s")

    def _sentence(self, error: Exception) -> str:
        """A foreign error in one line."""
        text = " ".join(hidden(str(error), self._hide).split())
        shown = text if len(text) <= _SHOWN_ERROR else text[:_SHOWN_ERROR] + "…"
        return f"{type(error).__name__}: {shown}" if shown else type(error).__name__


class _Answer(Generic[Result]):
    """What came of an operation that ran in a thread of its own."""

    value: Result

    def __init__(self, operation: Callable[[], Result]) -> None:
        self._operation = operation
        self.error: Exception | None = None
        self.done = threading.Event()

    def find(self) -> None:
        try:
            self.value = self._operation()
        except Exception as error:  # whatever a file system of others raises
            self.error = error
        finally:
            self.done.set()
