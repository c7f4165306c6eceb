"""What sockets have in common: how they are made, and when a peer that says nothing any more is gone."""

from __future__ import annotations

import contextlib
import socket

from tinyops.errors import ToolError, UsageError
from tinyops.link import places
from tinyops.link.streams.kind import DEAD_S, FAST_BYTES, PIECE_BYTES
from tinyops.link.streams.waiting import FileConnection

CHECK_S = 2  # idle before the first question, and between two


def host_and_port(begins: str, place: str, *, hostless: bool = False) -> tuple[str, int]:
    try:
        return places.host_and_port(begins, place, hostless=hostless)
    except UsageError:
        raise UsageError(f"{begins}{place[:80]}: is not HOST:PORT", hint=f"write {begins}192.168.1.20:7600") from None


def bound(name: str, host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A socket at a place of this machine, which never blocks. Raises ToolError."""
    try:
        line = places.bound_socket(host, port, kind)
    except OSError as error:
        raise ToolError(
            f"{name}: cannot be listened at: {error.strerror or error}",
            hint="another program may listen there: end it, or take another port",
        ) from error
    line.setblocking(False)
    return line


def notice_death(line: socket.socket) -> None:
    """A TCP peer whose machine answers nothing is gone within DEAD_S, whether bytes wait for it or not."""
    with contextlib.suppress(OSError):  # no TCP
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        wanted = (("TCP_KEEPIDLE", CHECK_S), ("TCP_KEEPINTVL", CHECK_S), ("TCP_KEEPCNT", DEAD_S // CHECK_S - 1))
        for option, value in (*wanted, ("TCP_USER_TIMEOUT", DEAD_S * 1000)):
            if hasattr(socket, option):
                line.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def connection_of(
    line: socket.socket, peer: str, *, piece: int = PIECE_BYTES, stride: int = FAST_BYTES
) -> FileConnection:
    """Of a connected socket, which becomes the connection's."""
    line.setblocking(False)
    return FileConnection(peer, line.fileno(), line.close, piece=piece, stride=stride)


def address_text(place: tuple[object, ...]) -> str:
    host, port = place[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
