"""A release store behind HTTP: every answer is bounded in length, time and redirects."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import SplitResult, urljoin, urlsplit

import tinyops
from tinyops.device.source import LATEST, Fetched, copy_exactly
from tinyops.errors import RemoteError, UsageError
from tinyops.manifest.entry import ENTRY_LIMIT_BYTES, EntryFile

REDIRECTS_MAX = 5
URL_CHARACTERS_MAX = 8192
ETAG_CHARACTERS_MAX = 256
SLOWEST_BYTES_PER_S = 2048  # an asset may take its length at this rate, on top of the time limit
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class _Answer:
    url: str
    status: int
    headers: http.client.HTTPMessage
    body: http.client.HTTPResponse
    deadline: _Deadline

    def read(self, want: int) -> bytes:
        """Up to `want` bytes, as they come. Raises RemoteError."""
        try:
            data = self.body.read1(want)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self.deadline.error(error) from error
        if not data and self.deadline.passed:
            raise self.deadline.error(None)
        return data


class _Deadline:
    """Shuts a connection down when its time is up, whatever a slow server drips meanwhile."""

    def __init__(self, url: str, seconds: float) -> None:
        self.url = url
        self.seconds = seconds
        self.passed = False
        self._end = time.monotonic() + seconds
        self._timer: threading.Timer | None = None

    def watch(self, connection: socket.socket) -> None:
        self._timer = threading.Timer(max(self._end - time.monotonic(), 0), self._stop, [connection])
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()

    def error(self, cause: Exception | None) -> RemoteError:
        if self.passed or isinstance(cause, TimeoutError):
            return RemoteError(
                f"{self.url}: not done within {self.seconds:g} s", hint="slow or stalled: tried again later"
            )
        return RemoteError(f"{self.url}: {_describe(cause)}")

    def _stop(self, connection: socket.socket) -> None:
        self.passed = True
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Layout:
    """Where files lie below a store's address."""

    latest: str
    tagged: str


PLAIN = Layout("{latest}/{name}", "{tag}/{name}")  # as the directory store has them
GITHUB = Layout("{latest}/download/{name}", "download/{tag}/{name}")  # below a repository's page of releases


class WebSource:
    """The newest entry and the assets by release and name, on a web server."""

    def __init__(self, url: str, *, timeout_s: float, layout: Layout = PLAIN) -> None:
        parts = _split(url)
        if parts is None or parts.query or parts.fragment:
            raise UsageError(f"{url}: not a plain http(s) URL of a release store")
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s
        self._layout = layout
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None

    def entry(self, name: str, etag: str) -> Fetched:
        url = f"{self.url}/{self._layout.latest.format(latest=LATEST, name=name)}"
        with self._get(url, self.timeout_s, etag) as answer:
            if answer.status == 304 and etag:
                return Fetched(None, etag)
            _expect_ok(answer)
            body = _read_all(answer, ENTRY_LIMIT_BYTES)
        new = answer.headers.get("ETag", "")
        return Fetched(body, new if len(new) <= ETAG_CHARACTERS_MAX and new.isprintable() else "")

    def asset(self, file: EntryFile, into: BinaryIO) -> None:
        url = f"{self.url}/{self._layout.tagged.format(tag=file.tag, name=file.asset)}"
        with self._get(url, self.timeout_s + file.bytes / SLOWEST_BYTES_PER_S, "") as answer:
            _expect_ok(answer)
            length = _length(answer)
            if length is not None and length != file.bytes:
                raise RemoteError(f"{url}: {length:,} bytes are offered, its signed entry names {file.bytes:,}")
            copy_exactly(answer.read, into, file.bytes, where=url)

    @contextlib.contextmanager
    def _get(self, url: str, seconds: float, etag: str) -> Iterator[_Answer]:
        """Follows redirects; all of them share one time limit. Raises RemoteError."""
        deadline = _Deadline(url, seconds)
        for _ in range(REDIRECTS_MAX + 1):
            with self._get_one(url, deadline, etag) as answer:
                if answer.status not in _REDIRECTS:
                    yield answer
                    return
                url = _redirected(answer)
        raise RemoteError(f"{deadline.url}: more than {REDIRECTS_MAX} redirects")

    @contextlib.contextmanager
    def _get_one(self, url: str, deadline: _Deadline, etag: str) -> Iterator[_Answer]:
        connection, body = self._connection(url), None
        try:
            body = _ask(connection, url, deadline, etag)
            answer = _Answer(url, body.status, body.headers, body, deadline)
            coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
            if coding != "identity":
                raise RemoteError(f"{url}: encoded as {coding[:40]}, which was not asked for")
            yield answer
        finally:
            deadline.cancel()
            if body is not None:
                body.close()  # it owns the socket: a closing server's connection does not
            connection.close()

    def _connection(self, url: str) -> http.client.HTTPConnection:
        parts = _split(url)
        if parts is None or parts.hostname is None:
            raise RemoteError(f"{url[:200]}: not a plain http(s) URL")
        if parts.scheme == "https":
            tls = self._tls or ssl.create_default_context()
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=self.timeout_s, context=tls)
        if self._tls is not None:
            raise RemoteError(f"{url[:200]}: redirected from https to http", hint="refused: anybody could read along")
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=self.timeout_s)


def _ask(connection: http.client.HTTPConnection, url: str, deadline: _Deadline, etag: str) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    headers = {"Accept-Encoding": "identity", "User-Agent": f"tinyops/{tinyops.__version__}", "Connection": "close"}
    if etag:
        headers["If-None-Match"] = etag
    try:
        connection.connect()
        deadline.watch(connection.sock)
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), headers=headers)
        return connection.getresponse()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise deadline.error(error) from error


def _split(url: str) -> SplitResult | None:
    """The parts of an http(s) URL without user and password; None for anything else."""
    if len(url) > URL_CHARACTERS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for one out of range
    except ValueError:
        return None
    plain = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    return parts if plain else None


def _redirected(answer: _Answer) -> str:
    place = answer.headers.get("Location")
    if not place:
        raise RemoteError(f"{answer.url}: a redirect ({answer.status}) that says not where to")
    try:
        return urljoin(answer.url, place)
    except ValueError:
        raise RemoteError(f"{answer.url}: redirects to {place[:200]!r}, which is no URL") from None


def _expect_ok(answer: _Answer) -> None:
    if answer.status != 200:
        known = http.client.responses.get(answer.status, "unknown status")
        raise RemoteError(f"{answer.url}: the server answered {answer.status} {known}")


def _length(answer: _Answer) -> int | None:
    text = answer.headers.get("Content-Length")
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 12:
        raise RemoteError(f"{answer.url}: sends a length that is none: {text[:40]!r}")
    return int(text)


def _read_all(answer: _Answer, limit_bytes: int) -> bytes:
    """The whole body. Raises RemoteError when it is longer than the limit or shorter than announced."""
    announced = _length(answer)
    if announced is not None and announced <= limit_bytes:
        whole = io.BytesIO()
        copy_exactly(answer.read, whole, announced, where=answer.url)
        return whole.getvalue()
    body = b""
    while announced is None and len(body) <= limit_bytes:
        chunk = answer.read(limit_bytes + 1 - len(body))
        if not chunk:
            return body
        body += chunk
    raise RemoteError(f"{answer.url}: larger than {limit_bytes:,} bytes")


def _describe(error: Exception | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended in the middle of the answer"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be reached: {error.strerror}"
    return f"not an HTTP answer: {type(error).__name__}"
