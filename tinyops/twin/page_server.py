"""A web server on loopback for a page of the browser port, and for a release site beside it."""

from __future__ import annotations

import contextlib
import io
import threading
import zipfile
from collections.abc import Iterator, Mapping
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from tinyops.errors import ToolError
from tinyops.files import MIB, read_bounded
from tinyops.twin.page_streams import PageStream

PAGE_LIMIT_BYTES = 4 * MIB
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}
# What a host of the page should send; the page's own policy stands in its head, too.
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def read_page(path: Path) -> dict[str, bytes]:
    """The files of a page.zip by name. Raises ToolError for anything else."""
    data = read_bounded(path, PAGE_LIMIT_BYTES)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > PAGE_LIMIT_BYTES:
                raise ToolError(f"{path.name}: holds more than {PAGE_LIMIT_BYTES:,} bytes")
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, OSError, RuntimeError) as error:
        raise ToolError(f"{path.name}: not a zip file: {error}", hint="build the firmware again") from error


class PageServer(ThreadingHTTPServer):
    """Serves `/phone/…` from `files`, and `/releases/…` from a folder when one is given. Both may change meanwhile.

    `streams` are WebSockets of the page, by name beside its files."""

    daemon_threads = True

    def __init__(
        self, files: Mapping[str, bytes], releases: Path | None = None, streams: Mapping[str, PageStream] | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.files, self.releases, self.streams = files, releases, streams or {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/phone/"

    def find(self, path: str) -> tuple[bytes, str] | None:
        """What lies at a path, and its type."""
        _, top, *rest = PurePosixPath(urlsplit(path).path).parts or ("", "")
        name = "/".join(rest)
        if top == "phone":
            name = name or "index.html"
            data = self.files.get(name)
        elif top == "releases" and self.releases is not None and ".." not in rest:
            file = self.releases / name
            data = file.read_bytes() if file.is_file() else None
        else:
            return None
        return None if data is None else (data, TYPES.get(PurePosixPath(name).suffix, "application/octet-stream"))


class _Request(BaseHTTPRequestHandler):
    server: PageServer

    def do_GET(self) -> None:
        stream = self.server.streams.get(PurePosixPath(self.path).name)
        if stream is not None and "Upgrade" in self.headers:
            self.close_connection = True
            with contextlib.suppress(OSError):  # page or stream went away
                stream.carry(f"{self.requestline}\r\n".encode() + self.headers.as_bytes(policy=HTTP), self.connection)
            return
        found = self.server.find(self.path)
        body, kind = found or (b"not here", "text/plain")
        with contextlib.suppress(ConnectionError):
            self.send_response(200 if found else 404)
            for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its name in the base class
        pass


@contextlib.contextmanager
def serving(
    files: Mapping[str, bytes], releases: Path | None = None, streams: Mapping[str, PageStream] | None = None
) -> Iterator[PageServer]:
    """A server that runs until the context ends."""
    server = PageServer(files, releases, streams)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
