"""UDP: a frame a datagram, as the program `part` sends them. Datagrams may be lost; a peer is never said to be."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from tinyops.link.client import LinkClosed
from tinyops.link.streams.kind import FAST_BYTES, PIECE_BYTES, Connection, Kind, Wishes
from tinyops.link.streams.sockets import address_text, bound, host_and_port
from tinyops.link.streams.waiting import Waits

DATAGRAM_BYTES = 1024
REST_S = 0.02  # what is no whole frame then goes as it is: text has no 0x00


class Datagrams:
    """Cuts a stream into datagrams: a frame ends with 0x00, and mostly begins with one."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._inside = False

    def push(self, data: bytes) -> list[bytes]:
        found = []
        for byte in data:
            ends = byte == 0 and self._inside
            self._inside = byte != 0
            self._held.append(byte)
            if ends or len(self._held) == DATAGRAM_BYTES:
                found.append(self.rest())
        return found

    def rest(self) -> bytes:
        data = bytes(self._held)
        self._held.clear()
        return data


class UdpConnection:
    """Of a socket that is connected, or one that answers whoever sent last (`peer` may change)."""

    stride = FAST_BYTES

    def __init__(self, line: socket.socket, peer: str, *, connected: bool) -> None:
        self.peer, self._line, self._connected = peer, line, connected
        self._to: tuple[object, ...] | None = None
        self._cutter = Datagrams()
        self._later: asyncio.TimerHandle | None = None
        self._waits = Waits(line.fileno())

    async def read(self) -> bytes:
        while not self._waits.ended:
            try:
                data, sender = self._line.recvfrom(PIECE_BYTES)
            except BlockingIOError:
                await self._waits.readable()
            except ConnectionRefusedError:
                continue  # nobody listens there yet
            except OSError as error:
                raise LinkClosed(f"cannot be received from: {error.strerror}") from error
            else:
                self._hear(sender)
                if data:
                    return data
        raise LinkClosed("the socket is closed")

    def _hear(self, sender: tuple[object, ...]) -> None:
        if not self._connected:
            self._to, self.peer = sender, address_text(sender)

    async def write(self, data: bytes) -> None:
        if self._later is not None:
            self._later.cancel()
        for datagram in self._cutter.push(data):
            self._send(datagram)
        self._later = asyncio.get_running_loop().call_later(REST_S, self._send_rest)

    def _send_rest(self) -> None:
        if rest := self._cutter.rest():
            self._send(rest)

    def _send(self, datagram: bytes) -> None:
        """Now or not at all."""
        with contextlib.suppress(OSError):
            if self._connected:
                self._line.send(datagram)
            elif self._to is not None:
                self._line.sendto(datagram, self._to)

    def abort(self) -> None:
        self._waits.end()

    async def close(self) -> None:
        self._waits.end()
        if self._later is not None:
            self._later.cancel()
        self._line.close()


class UdpStream:
    """To and from one place."""

    def __init__(self, place: str) -> None:
        self.name = f"udp:{place}"
        self._host, self._port = host_and_port("udp:", place)

    async def open(self) -> None:
        """Needs nothing."""

    async def connection(self) -> Connection:
        loop = asyncio.get_running_loop()
        line = None
        try:
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, place = found[0]
            line = socket.socket(family, kind, protocol)
            line.setblocking(False)
            line.connect(place)
        except OSError as error:
            if line is not None:
                line.close()
            raise LinkClosed(f"cannot be reached: {error.strerror or error}") from error
        return UdpConnection(line, address_text(place), connected=True)

    async def close(self) -> None:
        """Holds nothing."""


class ListenUdpStream:
    """To and from whoever sent last."""

    def __init__(self, place: str) -> None:
        self.name = f"udp-listen:{place}"
        self._host, self._port = host_and_port("udp-listen:", place, hostless=True)
        self._line: socket.socket | None = None

    async def open(self) -> None:
        self._line = bound(self.name, self._host, self._port, socket.SOCK_DGRAM)

    async def connection(self) -> Connection:
        if self._line is None or self._line.fileno() < 0:
            await self.open()
        assert self._line is not None
        while True:
            await Waits(self._line.fileno()).readable()
            try:
                sender = self._line.recvfrom(1, socket.MSG_PEEK)[1]
            except BlockingIOError:  # a datagram whose checksum was wrong: it is gone when it is looked at
                continue
            except OSError as error:
                raise LinkClosed(f"cannot be received from: {error.strerror}") from error
            return UdpConnection(self._line, address_text(sender), connected=False)

    async def close(self) -> None:
        if self._line is not None:
            self._line.close()


def _connecting(place: str, wishes: Wishes) -> UdpStream:  # noqa: ARG001
    return UdpStream(place)


def _listening(place: str, wishes: Wishes) -> ListenUdpStream:  # noqa: ARG001
    return ListenUdpStream(place)


UDP = Kind("udp:", "udp:HOST:PORT", "a frame a datagram, to and from there", _connecting, native=True)
UDP_LISTEN = Kind("udp-listen:", "udp-listen:[ADDRESS]:PORT", "the same, to whoever sent last", _listening, native=True)
