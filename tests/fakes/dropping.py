"""A line between a client and a server that breaks: each connection after so many bytes, one way or the other."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence


class Dropping:
    """Forwards connections to a port. The n-th one is cut after `cuts[n]` bytes: of what the client sends, or, where
    the number is negative, of what the server answers. Those after the last cut live."""

    def __init__(self, port: int, cuts: Sequence[int]) -> None:
        self._port, self._cuts = port, list(cuts)
        self._end = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._end.getsockname()[1])
        self.connections = self.dropped = 0
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()
        self._accepting.join()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._open:
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._end.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self._open += [client, server]
                cut = self._cuts[self.connections] if self.connections < len(self._cuts) else None
                self.connections += 1
                up = cut if cut is not None and cut >= 0 else None
                down = -cut if cut is not None and cut < 0 else None
                for source, target, limit in ((client, server, up), (server, client, down)):
                    thread = threading.Thread(target=self._forward, args=(source, target, limit), daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _forward(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        left = limit
        with contextlib.suppress(OSError):
            while data := source.recv(4096 if left is None else max(min(left, 4096), 1)):
                if left is not None and len(data) >= left:
                    target.sendall(data[:left])
                    self.dropped += 1
                    break
                target.sendall(data)
                left = None if left is None else left - len(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def dropping(port: int, cuts: Sequence[int]) -> Iterator[Dropping]:
    line = Dropping(port, cuts)
    try:
        yield line
    finally:
        line.close()
