"""A real nginx over a folder, as its package sets it up but for its place, and a count of what goes over the wire."""

from __future__ import annotations

import contextlib
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fakes.ports import free_port

PROGRAM = shutil.which("nginx") or ("/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else None)
START_TIMEOUT_S = 20
_CONFIG = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; types_hash_max_size 2048;
  types {{ application/json json; text/html html; }}
  default_type application/octet-stream; gzip on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@contextlib.contextmanager
def nginx(root: Path, folder: Path) -> Iterator[str]:
    """Its address."""
    assert PROGRAM is not None
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, root=root))
    process = subprocess.Popen([PROGRAM, "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        _wait(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(START_TIMEOUT_S)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise AssertionError(f"nginx does not answer (exit status {process.poll()})")


@dataclass
class Wire:
    """What went over it: bytes of heads and bodies both ways, connections, requests."""

    address: str = ""
    up: int = 0
    down: int = 0
    connections: int = 0
    requests: int = 0
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return self.up + self.down

    def reset(self) -> None:
        for thread in self.threads:
            thread.join(START_TIMEOUT_S)
        self.up = self.down = self.connections = self.requests = 0


@contextlib.contextmanager
def counted(address: str) -> Iterator[Wire]:
    """Another address of a server, on which every byte is counted."""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = Wire(f"http://127.0.0.1:{listener.getsockname()[1]}")
        accepting = threading.Thread(target=_accept, args=(listener, (host, int(port)), wire), daemon=True)
        accepting.start()
        yield wire
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join(START_TIMEOUT_S)


def _accept(listener: socket.socket, server: tuple[str, int], wire: Wire) -> None:
    with contextlib.suppress(OSError):
        while True:
            near, _ = listener.accept()
            wire.connections += 1
            thread = threading.Thread(target=_carry, args=(near, server, wire), daemon=True)
            wire.threads.append(thread)
            thread.start()


def _carry(near: socket.socket, server: tuple[str, int], wire: Wire) -> None:
    """Both ways, until either side ends."""
    with near, socket.create_connection(server) as far, contextlib.suppress(OSError):
        while True:
            ready, _, _ = select.select([near, far], [], [], START_TIMEOUT_S)
            for one in ready:
                data = one.recv(65536)
                if not data:
                    return
                if one is near:
                    wire.up += len(data)
                    wire.requests += data.count(b"GET ")
                else:
                    wire.down += len(data)
                (far if one is near else near).sendall(data)
            if not ready:
                return
