"""A real web server on loopback over a folder, with ETags, and with faults that a test switches on."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Fault = Callable[["Request", bytes], None]


class Request(BaseHTTPRequestHandler):
    server: FakeServer

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        path = self.server.root / self.path.split("?")[0].lstrip("/")
        body = path.read_bytes() if path.is_file() else None
        with contextlib.suppress(ConnectionError):
            fault = next((fault for part, fault in self.server.faults.items() if part in self.path), None)
            if fault is not None:
                fault(self, body or b"")
            elif body is None:
                self.answer(404, b"not here")
            else:
                self.plain(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, dict(self.headers)))
        with contextlib.suppress(ConnectionError):
            fault = next((fault for part, fault in self.server.faults.items() if part in self.path), None)
            if fault is not None:
                fault(self, b"")
            else:
                self.server.taken.append(json.loads(body))
                self.answer(204, b"")

    def do_OPTIONS(self) -> None:
        """What a browser asks before it posts to another origin."""
        names = {"Methods": "POST", "Headers": "Content-Type"}
        self.answer(204, b"", {f"Access-Control-Allow-{name}": value for name, value in names.items()})

    def setup(self) -> None:
        self.protocol_version = "HTTP/1.1" if self.server.keeps else "HTTP/1.0"
        self.server.connections += 1
        super().setup()

    def plain(self, body: bytes) -> None:
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        ranged = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if self.headers.get("If-None-Match") == etag:
            self.answer(304, b"", {"ETag": etag})
        elif ranged and self.server.ranges:
            start = int(ranged[1])
            told = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            self.answer(*((206, body[start:], told) if start < len(body) else (416, b"")))
        else:
            self.answer(200, body, {"ETag": etag})

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        shared = {} if self.command == "GET" else {"Access-Control-Allow-Origin": "*"}
        for name, value in {"Content-Length": str(len(body)), **shared, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.server.sent += len(body)
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its name in the base class
        pass


class FakeServer(ThreadingHTTPServer):
    """`faults` are by a part of the path; `seen` has every GET, `sent` counts bytes of bodies; `asked` has every POST,
    `taken` the JSON of those that were taken. `keeps` connections open, `ranges` are answered."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.root = root
        self.faults: dict[str, Fault] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.sent = self.connections = 0
        self.keeps, self.ranges = False, True
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.taken: list[Any] = []
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextlib.contextmanager
def serving(root: Path) -> Iterator[FakeServer]:
    server = FakeServer(root)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


def status(code: int) -> Fault:
    return lambda request, _: request.answer(code, b"trouble")


def at_first(count: int, fault: Fault) -> Fault:
    """Only the first requests go wrong."""
    left = [count]

    def soon_over(request: Request, body: bytes) -> None:
        left[0] -= 1
        if left[0] == 0:
            request.server.faults.clear()
        fault(request, body)

    return soon_over


def html(request: Request, body: bytes) -> None:
    request.answer(200, b"<!doctype html><title>Please log in</title>", {"Content-Type": "text/html"})


def truncated(request: Request, body: bytes) -> None:
    request.answer(200, body[: len(body) // 2], {"Content-Length": str(len(body))})


def cut_after(count: int) -> Fault:
    """As many bytes of what was asked for, and no more."""

    def cut(request: Request, body: bytes) -> None:
        ranged = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(ranged[1]) if ranged and request.server.ranges else 0
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body) - start))
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        request.end_headers()
        request.server.sent += len(body[start : start + count])
        request.wfile.write(body[start : start + count])
        request.close_connection = True

    return cut


def hung_up(request: Request, body: bytes) -> None:
    """The connection that was kept for more is closed, as after a server's time limit."""
    request.plain(body)
    request.close_connection = True


def shortened(request: Request, body: bytes) -> None:
    request.answer(200, body[:-1])


def lengthened(request: Request, body: bytes) -> None:
    request.answer(200, body + b"x")


def unannounced(request: Request, body: bytes) -> None:
    """Longer than it should be, and without a length."""
    _start(request)
    request.wfile.write(body + b"x")


def altered(request: Request, body: bytes) -> None:
    request.answer(200, bytes([body[0] ^ 1]) + body[1:])


def compressed(request: Request, body: bytes) -> None:
    request.answer(200, body, {"Content-Encoding": "gzip"})


def bomb(request: Request, body: bytes) -> None:
    """A thousand times its size once it is unpacked, and said to be."""
    request.answer(200, gzip.compress(bytes(20_000_000)), {"Content-Encoding": "gzip"})


def endless(request: Request, body: bytes) -> None:
    _start(request)
    while not request.server.stopping.is_set():
        request.wfile.write(b"x" * 65536)
        request.server.sent += 65536


def dripping(request: Request, body: bytes) -> None:
    """A byte now and then, each soon enough for a time limit that counts from the last byte."""
    _start(request)
    while not request.server.stopping.is_set():
        request.wfile.write(b"x")
        time.sleep(0.02)


def dripping_headers(request: Request, body: bytes) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not request.server.stopping.is_set():
        request.wfile.write(b"x")
        time.sleep(0.02)


def silent(request: Request, body: bytes) -> None:
    request.server.stopping.wait(20)


def garbage(request: Request, body: bytes) -> None:
    request.wfile.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")


def redirect(place: str, code: int = 302) -> Fault:
    return lambda request, _: request.answer(code, b"", {"Location": place})


def _start(request: Request) -> None:
    request.send_response(200)
    request.end_headers()
