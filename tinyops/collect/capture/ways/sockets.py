"""Sockets: a device that is connected to, or that connects to this machine."""

from __future__ import annotations

import contextlib
import socket
import time

from tinyops.collect.capture.ways.kind import Opening, Stream, StreamEnded, Traits
from tinyops.errors import ToolError
from tinyops.link.client import LinkClosed, LinkTimeout
from tinyops.link.places import bound_socket, host_and_port

CONNECT_S = 10.0
PIECE_BYTES = 65_536
BUFFER_BYTES = 4 * 1024 * 1024


class TcpWay:
    """Connects."""

    option, metavar, default = "--tcp", "HOST:PORT", None
    about = "connect to a device, or to a bridge of its serial line"
    traits = Traits(talks=True)

    def check(self, address: str) -> None:
        host_and_port(self.option, address)

    def open(self, address: str, opening: Opening) -> Stream:  # noqa: ARG002
        try:
            line = socket.create_connection(host_and_port(self.option, address), CONNECT_S)
        except OSError as error:
            raise LinkClosed(
                f"tcp {address}: cannot be reached: {error.strerror or error}", hint="is the device on and listening?"
            ) from error
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return TcpStream(f"tcp {address}", line)


class ListenTcpWay:
    """Waits for one device; others are refused."""

    option, metavar, default = "--listen-tcp", "[HOST]:PORT", None
    about = "wait for a device that connects to this machine"
    traits = Traits(talks=True, waits=True)

    def check(self, address: str) -> None:
        host_and_port(self.option, address, hostless=True)

    def open(self, address: str, opening: Opening) -> Stream:  # noqa: ARG002
        server = _bound(self.option, address, socket.SOCK_STREAM)
        with contextlib.closing(server):
            server.listen(1)
            server.settimeout(None)
            line, peer = server.accept()
        return TcpStream(f"tcp {peer[0]}:{peer[1]}", line)


class UdpWay:
    """Connects: what others send is not seen."""

    option, metavar, default = "--udp", "HOST:PORT", None
    about = "exchange datagrams with a device"
    traits = Traits(talks=True, begun=True, datagrams=True)

    def check(self, address: str) -> None:
        host_and_port(self.option, address)

    def open(self, address: str, opening: Opening) -> Stream:  # noqa: ARG002
        host, port = host_and_port(self.option, address)
        try:
            family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            line = socket.socket(family, kind, protocol)
            line.connect(place)
        except OSError as error:
            raise LinkClosed(f"udp {address}: cannot be reached: {error.strerror or error}") from error
        return UdpStream(f"udp {address}", line)


class ListenUdpWay:
    """Hears the device that sends first, and no other."""

    option, metavar, default = "--listen-udp", "[HOST]:PORT", None
    about = "wait for datagrams of a device that sends them to this machine"
    traits = Traits(talks=True, begun=True, datagrams=True, waits=True)

    def check(self, address: str) -> None:
        host_and_port(self.option, address, hostless=True)

    def open(self, address: str, opening: Opening) -> Stream:  # noqa: ARG002
        return UdpStream(f"udp {address}", _bound(self.option, address, socket.SOCK_DGRAM))


class TcpStream:
    """A connection."""

    finite = False

    def __init__(self, name: str, line: socket.socket) -> None:
        self.name = name
        self._line = line

    def read(self, timeout_s: float) -> bytes:
        try:
            self._line.settimeout(max(timeout_s, 0.001))
            data = self._line.recv(PIECE_BYTES)
        except TimeoutError:
            return b""
        except OSError as error:
            raise LinkClosed(f"{self.name}: the device is gone: {error.strerror or error}") from error
        if not data:
            raise StreamEnded(f"{self.name}: the device closed the connection")
        return data

    def write(self, data: bytes, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while data:
            try:
                data = data[self._line.send(data, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise LinkTimeout(f"{self.name}: takes no more bytes") from None
                time.sleep(0.01)
            except OSError as error:
                raise LinkClosed(f"{self.name}: the device is gone: {error.strerror or error}") from error

    def retune(self) -> bool:
        return False

    def speeds_left(self) -> int:
        return 0

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._line.close()


class UdpStream:
    """Datagrams of one peer: the one that it is connected to, or the first that sends."""

    finite = False

    def __init__(self, name: str, line: socket.socket) -> None:
        self.name = name
        self._line = line
        with contextlib.suppress(OSError):
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)

    def read(self, timeout_s: float) -> bytes:
        try:
            self._line.settimeout(max(timeout_s, 0.001))
            data, peer = self._line.recvfrom(PIECE_BYTES)
            if peer is not None and not self._connected():
                self._line.connect(peer)
        except (TimeoutError, ConnectionRefusedError):  # refused: it does not listen yet
            return b""
        except OSError as error:
            raise LinkClosed(f"{self.name}: the device is gone: {error.strerror or error}") from error
        return data

    def write(self, data: bytes, timeout_s: float) -> None:  # noqa: ARG002 a datagram is sent at once or not at all
        with contextlib.suppress(ConnectionRefusedError, BlockingIOError):
            try:
                if self._connected():
                    self._line.send(data, socket.MSG_DONTWAIT)
            except (ConnectionRefusedError, BlockingIOError):
                raise
            except OSError as error:
                raise LinkClosed(f"{self.name}: cannot be sent to: {error.strerror or error}") from error

    def retune(self) -> bool:
        return False

    def speeds_left(self) -> int:
        return 0

    def close(self) -> None:
        self._line.close()

    def _connected(self) -> bool:
        try:
            self._line.getpeername()
        except OSError:
            return False
        return True


def _bound(option: str, address: str, kind: socket.SocketKind) -> socket.socket:
    host, port = host_and_port(option, address, hostless=True)
    try:
        return bound_socket(host, port, kind)
    except OSError as error:
        raise ToolError(
            f"{option} {address}: cannot be listened on: {error.strerror or error}",
            hint="another program may listen there: end it, or take another port",
        ) from error
