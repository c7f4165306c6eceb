"""GET over HTTP from a server that may be broken or hostile: bounded in length, time and redirects.

A token goes to the address that was given and to no other host.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

import tinyops
from tinyops.device.source import Interrupted, copy_exactly
from tinyops.errors import RemoteError, UsageError
from tinyops.trust.origin import Missing

REDIRECTS_MAX = 5
URL_CHARACTERS_MAX = 8192
ETAG_CHARACTERS_MAX = 256
DRAINED_BYTES_MAX = 4096  # of an answer that nobody wants, so that its connection can be used again
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (403, 408, 410, 429)  # beside 5xx: what an address that expired, or a busy server, answers


class Deadline:
    """Shuts a connection down when its time is up, whatever a slow server drips meanwhile."""

    def __init__(self, url: str, seconds: float) -> None:
        self.url = url
        self.seconds = seconds
        self.passed = False
        self._end = time.monotonic() + seconds
        self._timer: threading.Timer | None = None

    @property
    def left_s(self) -> float:
        return max(self._end - time.monotonic(), 0)

    def watch(self, connection: socket.socket) -> None:
        self._timer = threading.Timer(self.left_s, self._stop, [connection])
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
            self._timer = None

    def error(self, cause: Exception | None) -> RemoteError:
        if self.passed or isinstance(cause, TimeoutError):
            kind = RemoteError if self.passed else Interrupted
            return kind(f"{self.url}: not done within {self.seconds:g} s", hint="slow or stalled: tried again later")
        return Interrupted(f"{self.url}: {_describe(cause)}")

    def _stop(self, connection: socket.socket) -> None:
        self.passed = True
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Answer:
    url: str
    status: int
    headers: http.client.HTTPMessage
    body: http.client.HTTPResponse
    deadline: Deadline

    @property
    def etag(self) -> str:
        """Its ETag, unless that could harm a header."""
        new = self.headers.get("ETag", "")
        return new if len(new) <= ETAG_CHARACTERS_MAX and new.isprintable() else ""

    def read(self, want: int) -> bytes:
        """Up to `want` bytes, as they come. Raises RemoteError."""
        try:
            data = self.body.read1(want)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self.deadline.error(error) from error
        if not data and self.deadline.passed:
            raise self.deadline.error(None)
        return data

    def expect(self, *statuses: int) -> None:
        """Raises RemoteError for another status: Missing, or Interrupted where another time may do."""
        if self.status in statuses:
            return
        known = http.client.responses.get(self.status, "unknown status")
        kind = Missing if self.status == 404 else RemoteError
        if self.status >= 500 or self.status in _PASSING:
            kind = Interrupted
        raise kind(f"{self.url}: the server answered {self.status} {known}")

    def length(self) -> int | None:
        """As announced. Raises RemoteError for what is none."""
        text = self.headers.get("Content-Length")
        if text is None:
            return None
        if not text.isdecimal() or len(text) > 12:
            raise RemoteError(f"{self.url}: sends a length that is none: {text[:40]!r}")
        return int(text)

    def whole(self, limit_bytes: int) -> bytes:
        """The whole body. Raises RemoteError when it is longer than the limit or shorter than announced."""
        announced = self.length()
        if announced is not None and announced <= limit_bytes:
            whole = io.BytesIO()
            copy_exactly(self.read, whole, announced, where=self.url)
            return whole.getvalue()
        body = b""
        while announced is None and len(body) <= limit_bytes:
            chunk = self.read(limit_bytes + 1 - len(body))
            if not chunk:
                return body
            body += chunk
        raise RemoteError(f"{self.url}: larger than {limit_bytes:,} bytes")


class Web:
    """Requests to one address and to where it redirects. With `keep`, one connection lives until `close`."""

    def __init__(self, url: str, *, timeout_s: float, token: str = "", keep: bool = False) -> None:
        parts = _split(url)
        if parts is None or parts.query or parts.fragment:
            raise UsageError(f"{url}: not a plain http(s) URL")
        if token and parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise UsageError(f"{url}: a token is sent over https only", hint="anybody could read it on the way")
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s
        self._token, self._home, self._keep = token, _host(parts), keep
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._kept: tuple[tuple[str, str | None, int | None], http.client.HTTPConnection] | None = None

    def close(self) -> None:
        if self._kept is not None:
            self._kept[1].close()
            self._kept = None

    @contextlib.contextmanager
    def get(self, url: str, deadline: Deadline, headers: Mapping[str, str]) -> Iterator[Answer]:
        """Follows redirects; all of them share one time limit. Raises RemoteError."""
        for _ in range(REDIRECTS_MAX + 1):
            with self._get_one(url, deadline, headers) as answer:
                if answer.status not in _REDIRECTS:
                    yield answer
                    return
                url = _redirected(answer)
        raise RemoteError(f"{deadline.url}: more than {REDIRECTS_MAX} redirects")

    @contextlib.contextmanager
    def _get_one(self, url: str, deadline: Deadline, headers: Mapping[str, str]) -> Iterator[Answer]:
        parts = _split(url)
        if parts is None:
            raise RemoteError(f"{url[:200]}: not a plain http(s) URL")
        connection, body = self._begin(parts, deadline, headers)
        keep = False
        try:
            answer = Answer(url, body.status, body.headers, body, deadline)
            coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
            if coding != "identity":
                raise RemoteError(f"{url}: encoded as {coding[:40]}, which was not asked for")
            yield answer
            keep = self._keep and _is_over(answer)
        finally:
            deadline.cancel()
            if keep and not deadline.passed:
                self._kept = _host(parts), connection
            else:
                body.close()  # it owns the socket: a closing server's connection does not
                connection.close()

    def _begin(
        self, parts: SplitResult, deadline: Deadline, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Sends a request, over the connection that was kept if it is still there, and reads the answer's head."""
        kept, self._kept = self._kept, None
        if kept is not None and kept[0] == _host(parts):
            with contextlib.suppress(RemoteError):
                return kept[1], self._ask(kept[1], parts, deadline, headers)
        if kept is not None:
            kept[1].close()
        connection = self._connection(parts)
        try:
            return connection, self._ask(connection, parts, deadline, headers)
        except RemoteError:
            connection.close()
            raise

    def _ask(
        self, connection: http.client.HTTPConnection, parts: SplitResult, deadline: Deadline, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        sent = {"Accept-Encoding": "identity", "User-Agent": f"tinyops/{tinyops.__version__}", **headers}
        if not self._keep:
            sent["Connection"] = "close"
        if self._token and _host(parts) == self._home:
            sent["Authorization"] = f"Bearer {self._token}"
        try:
            if connection.sock is None:
                connection.timeout = min(self.timeout_s, max(deadline.left_s, 0.001))
                connection.connect()
            deadline.watch(connection.sock)
            connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), headers=sent)
            return connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            deadline.cancel()
            raise deadline.error(error) from error

    def _connection(self, parts: SplitResult) -> http.client.HTTPConnection:
        host = parts.hostname or ""
        if parts.scheme == "https":
            tls = self._tls or ssl.create_default_context()
            return http.client.HTTPSConnection(host, _port(parts), timeout=self.timeout_s, context=tls)
        if self._tls is not None:
            url = parts.geturl()[:200]
            raise RemoteError(f"{url}: redirected from https to http", hint="refused: anybody could read along")
        return http.client.HTTPConnection(host, _port(parts), timeout=self.timeout_s)


def conditional(etag: str) -> dict[str, str]:
    return {"If-None-Match": etag} if etag else {}


def _port(parts: SplitResult) -> int:
    """Without one, http.client would look for it in an address of IPv6."""
    return parts.port or (http.client.HTTPS_PORT if parts.scheme == "https" else http.client.HTTP_PORT)


def _host(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port


def _is_over(answer: Answer) -> bool:
    """Whether nothing of an answer is left on its connection, and the server keeps that open. Reads a little rest."""
    with contextlib.suppress(RemoteError):
        for _ in range(4):
            if answer.body.length == 0:
                answer.body.read()  # of a body that was read in parts, the end is noticed here
            if answer.body.isclosed():
                return not answer.body.will_close and not answer.deadline.passed
            answer.read(DRAINED_BYTES_MAX // 4)
    return False


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


def _redirected(answer: Answer) -> str:
    place = answer.headers.get("Location")
    if not place:
        raise RemoteError(f"{answer.url}: a redirect ({answer.status}) that says not where to")
    try:
        return urljoin(answer.url, place)
    except ValueError:
        raise RemoteError(f"{answer.url}: redirects to {place[:200]!r}, which is no URL") from None


def _describe(error: Exception | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended in the middle of the answer"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be reached: {error.strerror}"
    return f"not an HTTP answer: {type(error).__name__}"
