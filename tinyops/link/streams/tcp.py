"""TCP: to somebody who listens, or from whoever connects."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

from tinyops.link.client import LinkClosed
from tinyops.link.streams.kind import Connection, Kind, Wishes
from tinyops.link.streams.place import Place
from tinyops.link.streams.sockets import address_text, bound, connection_of, host_and_port, notice_death
from tinyops.link.streams.waiting import Waits

CONNECT_S = 10.0
LOOK_S = 0.2


class TcpStream:
    """Connects."""

    def __init__(self, place: str) -> None:
        self.name = f"tcp:{place}"
        self._host, self._port = host_and_port("tcp:", place)

    async def open(self) -> None:
        """Needs nothing."""

    async def connection(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
                line, place = await self._connected(found)
        except TimeoutError:
            raise LinkClosed(f"cannot be reached within {CONNECT_S:g} s") from None
        except OSError as error:
            raise LinkClosed(f"cannot be reached: {error.strerror or error}") from error
        notice_death(line)
        return connection_of(line, address_text(place))  # by now it may be gone, and have no name any more

    async def _connected(self, found: Sequence[tuple[Any, ...]]) -> tuple[socket.socket, tuple[object, ...]]:
        """At the first of the addresses that answers."""
        failure: OSError = OSError("no address")
        for family, kind, protocol, _, place in found:
            line = socket.socket(family, kind, protocol)
            line.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(line, place)
            except OSError as error:
                failure = error
                line.close()
            except BaseException:
                line.close()
                raise
            else:
                return line, place
        raise failure

    async def close(self) -> None:
        """Holds nothing."""


class ListenTcpStream:
    """Takes one connection at a time; others wait in the system's queue until its place is free."""

    def __init__(self, place: str) -> None:
        self.name = f"tcp-listen:{place}"
        self._host, self._port = host_and_port("tcp-listen:", place, hostless=True)
        self._place = Place()
        self._server: socket.socket | None = None
        self._taker: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._server = bound(self.name, self._host, self._port, socket.SOCK_STREAM)
        self._server.listen(1)
        self._taker = asyncio.create_task(self._take(self._server))

    async def connection(self) -> Connection:
        return await self._place.next()

    async def close(self) -> None:
        if self._taker is not None:
            self._taker.cancel()
            await asyncio.wait([self._taker])
        await self._place.close()
        if self._server is not None:
            self._server.close()

    async def _take(self, server: socket.socket) -> None:
        waits = Waits(server.fileno())
        while True:
            await waits.readable()
            if not self._place.is_free():
                await asyncio.sleep(LOOK_S)
                continue
            try:
                line, peer = server.accept()
            except OSError:  # it went before it was taken; or no file is left, and none will be at once
                await asyncio.sleep(LOOK_S)
                continue
            notice_death(line)
            self._place.give(connection_of(line, address_text(peer)))


def _connecting(place: str, wishes: Wishes) -> TcpStream:  # noqa: ARG001
    return TcpStream(place)


def _listening(place: str, wishes: Wishes) -> ListenTcpStream:  # noqa: ARG001
    return ListenTcpStream(place)


TCP = Kind("tcp:", "tcp:HOST:PORT", "connects, again and again", _connecting, native=True)
TCP_LISTEN = Kind(
    "tcp-listen:", "tcp-listen:[ADDRESS]:PORT", "takes one connection after another", _listening, native=True
)
