"""File descriptors in an event loop: serial lines, sockets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from tinyops.link.client import LinkClosed
from tinyops.link.streams.kind import FAST_BYTES, PIECE_BYTES


class Waits:
    """Waits for one descriptor; after `end` at once."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._waiting: set[asyncio.Future[None]] = set()
        self.ended = False

    async def readable(self) -> None:
        loop = asyncio.get_running_loop()
        await self._ready(loop.add_reader, loop.remove_reader)

    async def writable(self) -> None:
        loop = asyncio.get_running_loop()
        await self._ready(loop.add_writer, loop.remove_writer)

    def end(self) -> None:
        self.ended = True
        for future in self._waiting:
            _done(future)

    async def _ready(self, add: Callable[..., Any], remove: Callable[[int], Any]) -> None:
        if self.ended:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        add(self._file, _done, future)
        try:
            await future
        finally:
            remove(self._file)
            self._waiting.discard(future)


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class FileConnection:
    """Of a descriptor that never blocks. `end` gives it back; `piece`: no more bytes than that go out at once, where a
    write is a message; `said` is what its end means; `asked`: it is asked before each read, as on serial lines one that
    finds nothing looks like the end."""

    def __init__(
        self,
        peer: str,
        file: int,
        end: Callable[[], object],
        *,
        piece: int = PIECE_BYTES,
        stride: int = FAST_BYTES,
        said: str = "the connection is closed",
        asked: bool = False,
    ) -> None:
        self.peer, self.stride = peer, stride
        self._file, self._end, self._piece, self._said = file, end, piece, said
        self._asked, self._waits = asked, Waits(file)
        self._closed = False

    async def read(self) -> bytes:
        while not self._waits.ended:
            if self._asked:
                await self._waits.readable()
            try:
                if data := os.read(self._file, PIECE_BYTES):
                    return data
                break
            except BlockingIOError:
                await self._waits.readable()
            except OSError as error:
                raise LinkClosed(f"{self._said}: {error.strerror}") from error
        raise LinkClosed(self._said)

    async def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left and not self._waits.ended:
            try:
                left = left[os.write(self._file, left[: self._piece]) :]
            except BlockingIOError:
                await self._waits.writable()
            except OSError as error:
                raise LinkClosed(f"{self._said}: {error.strerror}") from error
        if left:
            raise LinkClosed(self._said)

    def abort(self) -> None:
        self._waits.end()

    async def close(self) -> None:
        self.give_back()

    def give_back(self) -> None:
        """What `close` does, where nobody waits."""
        self._waits.end()
        if not self._closed:
            self._closed = True
            self._end()
