"""Health and metrics over HTTP: two pages, on loopback unless told otherwise; nothing is taken in."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

from tinyops.device.exposition import TEXT
from tinyops.device.gateway.health import Snapshot, health, metrics
from tinyops.errors import ToolError

TIMEOUT_S = 5.0
JSON = "application/json"


@contextlib.contextmanager
def serving(host: str, port: int, snapshot: Callable[[], Snapshot]) -> Iterator[int]:
    """Serves until the end of the block; yields the port. Raises ToolError when nothing can listen there."""

    class Pages(_Pages):
        take = staticmethod(snapshot)

    class Server(HTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        request_queue_size = 16

    try:
        server = Server((host, port), Pages)
    except OSError as error:
        raise ToolError(
            f"{host}:{port}: health and metrics cannot be served: {error.strerror}",
            hint="is another agent running, or another program at this port?",
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join(TIMEOUT_S)


class _Pages(BaseHTTPRequestHandler):
    """One request at a time, each within its time."""

    timeout = TIMEOUT_S
    server_version, sys_version = "tinyops", ""
    take: Callable[[], Snapshot]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(HTTPStatus.OK, TEXT, metrics(self.take()))
        elif path == "/healthz":
            well, body = health(self.take())
            self._answer(HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE, JSON, body)
        else:
            self._answer(HTTPStatus.NOT_FOUND, TEXT, b"/healthz\n/metrics\n")

    do_HEAD = do_GET

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its name in the library
        """Nobody reads that."""
