"""HOST:PORT, as people write it, and a socket there."""

from __future__ import annotations

import re
import socket

from tinyops.errors import UsageError

PORT_MAX = 65_535
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.%a-z]+\]|[^\s:/\[\]]{0,255}):(\d{1,5})")


def host_and_port(option: str, address: str, *, hostless: bool = False) -> tuple[str, int]:
    """Of `HOST:PORT`, `[v6]:PORT`, and `:PORT` where that means every interface. Raises UsageError."""
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[2]) <= PORT_MAX or not (match[1] or hostless):
        raise UsageError(f"{option} {address[:80]!r} is not HOST:PORT", hint=f"such as {option} 192.168.1.20:4000")
    return match[1].strip("[]"), int(match[2])


def bound_socket(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A socket at a place of this machine; "" is every interface. Raises OSError."""
    family, _, protocol, _, place = socket.getaddrinfo(host or None, port, type=kind, flags=socket.AI_PASSIVE)[0]
    line = socket.socket(family, kind, protocol)
    try:
        if kind == socket.SOCK_STREAM:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.bind(place)
    except OSError:
        line.close()
        raise
    return line
