"""An end of a pair of sockets whose other end a program of ours has: no port, no name, nobody else's."""

from __future__ import annotations

import asyncio
import socket

from tinyops.link.streams.kind import Connection
from tinyops.link.streams.sockets import connection_of


class HandedStream:
    """One end after the other, each with a program that was started anew."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._handed: asyncio.Queue[socket.socket] = asyncio.Queue()

    async def hand(self, end: socket.socket) -> None:
        """From now on; the one before ends with its program."""
        await self._handed.put(end)

    async def open(self) -> None:
        """Needs nothing."""

    async def connection(self) -> Connection:
        return connection_of(await self._handed.get(), self.name)

    async def close(self) -> None:
        while not self._handed.empty():
            self._handed.get_nowait().close()
