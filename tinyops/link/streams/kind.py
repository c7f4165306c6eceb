"""What a stream of bytes is: named as the program `part` names them (runtime/port/part/stream.h), and more kinds.

A stream is opened once and has one connection at a time, one after the other. All of it lives in one event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

PIECE_BYTES = 65_536  # read at once, at most; that much is under way between two streams, and no more
SLOW_BYTES = 256  # what the slowest of lines takes within the patience of whoever writes
FAST_BYTES = 16_384  # the same, of sockets
DEAD_S = 6  # a peer whose machine answers nothing for so long is gone


class Connection(Protocol):
    """With one peer. One task reads, one writes. `stride`: so many bytes at most are written at once; a peer that does
    not take them for long takes nothing any more."""

    @property
    def peer(self) -> str: ...

    @property
    def stride(self) -> int: ...

    async def read(self) -> bytes:
        """What has come, at least a byte. Raises LinkClosed when the peer is gone."""

    async def write(self, data: bytes) -> None:
        """Sends everything, as soon as the peer takes it. Raises LinkClosed."""

    def abort(self) -> None:
        """Ends it at once: whoever reads or writes gets LinkClosed. May be called twice."""

    async def close(self) -> None:
        """Ends it, and says so to the peer where that can be done. Nobody reads or writes any more."""


class Stream(Protocol):
    """`name` is what it was called by."""

    name: str

    async def open(self) -> None:
        """Takes what it needs of this machine: packages, ports, an adapter. Raises ToolError."""

    async def connection(self) -> Connection:
        """The next one: made, or waited for. Raises LinkClosed where it is to be tried again, and ToolError where
        that would be in vain."""

    async def close(self) -> None:
        """May be called twice."""


@dataclass(frozen=True)
class Wishes:
    """What kinds may need to know beside their place. `origins`: the pages that a WebSocket is for."""

    origins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """`begins` is what its names begin with. `native`: the program `part` has this kind itself. `pages`: browsers
    connect to it. `open` raises UsageError for a name that is none, and opens nothing yet."""

    begins: str
    form: str
    about: str
    open: OpenStream
    native: bool = False
    pages: bool = False


OpenStream: TypeAlias = Callable[[str, Wishes], Stream]
