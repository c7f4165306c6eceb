"""A server of S3's protocol on this machine, in a process of its own; and lines to it that fail."""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

BUCKET = "acme"
PATIENCE_S = 60


@dataclass(frozen=True)
class Server:
    """Where it listens. Any credentials are good ones."""

    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def options(self, endpoint: str = "") -> dict[str, Any]:
        """As s3fs takes them."""
        return {"endpoint_url": endpoint or self.endpoint, "key": "ana", "secret": "canary-7"}

    def environment(self) -> dict[str, str]:
        """As botocore takes them."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "ana",
            "AWS_SECRET_ACCESS_KEY": "canary-7",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """An empty server with one bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        made = Server(free.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(made.port)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(made, child)
        asking = http.client.HTTPConnection("127.0.0.1", made.port, timeout=PATIENCE_S)
        asking.request("PUT", f"/{BUCKET}")
        assert asking.getresponse().status == 200
        asking.close()
        yield made
    finally:
        child.kill()
        child.wait()


def _await(made: Server, child: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", made.port), timeout=1):
                return
        except OSError:
            assert child.poll() is None, "the server ended"
            assert time.monotonic() < limit, "the server does not listen"
            time.sleep(0.05)


@contextlib.contextmanager
def line(made: Server, *, upload_bytes: int | None = None) -> Iterator[str]:
    """An endpoint that passes on so many bytes of each connection to the server and then hangs; all, by default."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()
    copying: list[threading.Thread] = []

    def serve() -> None:
        while not ended.is_set():
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", made.port))
            for source, sink, limit in ((near, far, upload_bytes), (far, near, None)):
                copying.append(threading.Thread(target=_copy, args=(source, sink, limit, ended), daemon=True))
                copying[-1].start()

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (serving, *copying):
            thread.join(PATIENCE_S)


def _copy(source: socket.socket, sink: socket.socket, limit: int | None, ended: threading.Event) -> None:
    passed = 0
    with source, contextlib.suppress(OSError):
        while (data := _receive(source, ended)) != b"":
            if limit is not None and passed + len(data) > limit:
                sink.sendall(data[: limit - passed])
                ended.wait(PATIENCE_S)
                return
            sink.sendall(data)
            passed += len(data)
        sink.shutdown(socket.SHUT_WR)


def _receive(source: socket.socket, ended: threading.Event) -> bytes:
    while not ended.is_set():
        if select.select([source], [], [], 0.2)[0]:
            return source.recv(65536)
    return b""
