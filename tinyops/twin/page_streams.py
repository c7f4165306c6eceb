"""WebSockets of a page's own server, each of them a stream of a virtual board: binary messages are its bytes."""

from __future__ import annotations

import importlib.util
import select
import socket
import threading
from dataclasses import dataclass, field
from typing import Any

from tinyops.errors import ToolError
from tinyops.twin.machine import RECEIVE_BYTES

LOOK_MS = 50
MESSAGE_BYTES_MAX = 1 << 20
WEBSOCKETS_HINT = "pip install 'tinyops[browser]'"


@dataclass
class PageStream:
    """One stream, between the page and whoever holds `ours`. A page that is loaded again takes the place of the one
    before."""

    ours: socket.socket
    theirs: socket.socket
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _wanted: int = 0
    _closed: bool = False

    @staticmethod
    def pair() -> PageStream:
        """Raises ToolError where the Python package is missing."""
        if importlib.util.find_spec("websockets") is None:
            raise ToolError("the Python package websockets is not installed", hint=WEBSOCKETS_HINT)
        return PageStream(*socket.socketpair())

    def carry(self, request: bytes, page: socket.socket) -> None:
        """Serves the WebSocket that was asked for on a connection, until it, the stream or its turn ends."""
        protocol = _protocol()
        self._wanted += 1
        mine = self._wanted
        protocol.receive_data(request)
        for event in protocol.events_received():
            protocol.send_response(protocol.accept(event))
        with self._turn:
            page.sendall(b"".join(protocol.data_to_send()))
            while mine == self._wanted and not self._closed and _carry_once(protocol, page, self.theirs):
                pass

    def end(self) -> None:
        """The page that it serves is let go of."""
        self._wanted += 1

    def close(self) -> None:
        self._closed = True
        with self._turn:
            self.ours.close()
            self.theirs.close()


def _carry_once(protocol: Any, page: socket.socket, stream: socket.socket) -> bool:
    """What has come on either side goes to the other. Returns whether there may be more."""
    from websockets.frames import Opcode

    poll = select.poll()
    for end in (page, stream):
        poll.register(end, select.POLLIN)
    ready = {number for number, _ in poll.poll(LOOK_MS)}
    if stream.fileno() in ready:
        data = stream.recv(RECEIVE_BYTES)
        if not data:
            return False
        protocol.send_binary(data)
    if page.fileno() in ready:
        came = page.recv(RECEIVE_BYTES)
        if not came:
            return False
        protocol.receive_data(came)
        for frame in protocol.events_received():
            if frame.opcode in (Opcode.BINARY, Opcode.CONT):
                stream.sendall(frame.data)
    page.sendall(b"".join(protocol.data_to_send()))
    return not protocol.close_expected()


def _protocol() -> Any:
    from websockets.server import ServerProtocol

    return ServerProtocol(max_size=MESSAGE_BYTES_MAX)
