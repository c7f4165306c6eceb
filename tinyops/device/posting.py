"""Results to a web server, from a thread of their own: what samples and infers is never kept waiting.

A result waits in a bounded queue; when that is full the oldest is lost and counted. One that could not be delivered
is tried again, later each time; one that the server refuses (a status of 4xx or 3xx) is lost. So a server sees a result
at least once or not at all, in order. Standard library only: the model's child process posts.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import tinyops

SCHEMA = "tinyops/result/v1"
QUEUE_MAX = 256
REQUEST_TIMEOUT_S = 10.0
BACK_OFF_S = 0.25  # after the first failure, doubled with each further one
BACK_OFF_MAX_S = 30.0
REASON_CHARACTERS_MAX = 200
# Of a Softmax output in int8, which never differ: a class's share is (score - ZERO_POINT) * SCALE.
SCALE = 1 / 256
ZERO_POINT = -128


class _Refused(Exception):
    """The server does not want this result: there is no use in trying again."""


@dataclass(frozen=True)
class Post:
    """Where results go, and whose they are. `sequence` is the number of the first one."""

    url: str
    only_changes: bool
    device: str
    board: str
    fleet: str
    model: str
    sequence: int

    def body(self, number: int, lost: int, ms: int, best: int, scores: Sequence[float], label: str | None) -> bytes:
        """One result as JSON; `number` counts from 0, `ms` is the time since the run began, `lost` results before it
        reached no server."""
        value: dict[str, Any] = {
            "schema": SCHEMA,
            "device": self.device,
            "board": self.board,
            "fleet": self.fleet,
            "model": self.model,
            "sequence": self.sequence + number,
            "lost": lost,
            "ms": ms,
            "class": best,
            "label": label,
            "scores": list(scores),
            "scale": SCALE if label is not None else None,
            "zero_point": ZERO_POINT if label is not None else None,
        }
        return json.dumps(value, ensure_ascii=True).encode()


@dataclass(frozen=True)
class Delivered:
    """How many results a server took, how many were lost, and what went wrong last."""

    posted: int = 0
    lost: int = 0
    trouble: str = ""


class Poster:
    """Posts results until `finish`."""

    def __init__(self, post: Post, *, timeout_s: float = REQUEST_TIMEOUT_S, queue_max: int = QUEUE_MAX) -> None:
        self._post, self._timeout_s, self._queue_max = post, timeout_s, queue_max
        self._started_s = time.monotonic()
        self._waiting: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._posted = self._lost = 0
        self._trouble = ""
        self._last: int | None = None  # the class that was queued last; None: the next one is news
        self._ending = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def offer(self, number: int, best: int, scores: Sequence[float], label: str | None) -> None:
        """Queues a result and returns at once."""
        with self._changed:
            if self._post.only_changes and best == self._last:
                return
            self._last = best
            ms = int((time.monotonic() - self._started_s) * 1000)
            if len(self._waiting) == self._queue_max:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(self._post.body(number, self._lost, ms, best, scores, label))
            self._changed.notify()

    def finish(self, seconds: float) -> Delivered:
        """Waits at most so long for what is queued; the rest is lost."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(max(seconds, 0))
        with self._changed:
            lost, self._waiting = self._lost + len(self._waiting), deque()
            return Delivered(self._posted, lost, self._trouble)

    def _work(self) -> None:
        failures = 0
        while (body := self._next()) is not None:
            try:
                self._send(body)
            except _Refused as refused:
                self._settle(body, str(refused), lost=True)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._settle(None, describe(error))
                failures += 1
                time.sleep(min(BACK_OFF_S * 2.0 ** min(failures - 1, 20), BACK_OFF_MAX_S))
            else:
                self._settle(body)
                failures = 0

    def _next(self) -> bytes | None:
        """The oldest result that waits, which stays in the queue; None when there will be no more."""
        with self._changed:
            while not self._waiting and not self._ending:
                self._changed.wait()
            return self._waiting[0] if self._waiting else None

    def _settle(self, body: bytes | None, trouble: str = "", *, lost: bool = False) -> None:
        """Takes a result out of the queue, unless it was crowded out meanwhile: then it counts as lost already."""
        with self._changed:
            self._trouble = trouble[:REASON_CHARACTERS_MAX] or self._trouble
            if lost:
                self._last = None  # the server never saw that class: the next result is news
            if body is not None and self._waiting and self._waiting[0] is body:
                self._waiting.popleft()
                self._posted, self._lost = self._posted + (not lost), self._lost + lost

    def _send(self, body: bytes) -> None:
        """One request. Raises _Refused, or what http.client and sockets raise."""
        parts = urlsplit(self._post.url)
        link = connection(self._post.url, self._timeout_s)
        answer = None
        try:
            link.connect()
            with deadline(link.sock, self._timeout_s):
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                link.request("POST", target, body=body, headers=_HEADERS)
                answer = link.getresponse()
        finally:
            if answer is not None:
                answer.close()
            link.close()
        _judge(answer.status)


_HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": f"tinyops/{tinyops.__version__}",
    "Connection": "close",
}


def connection(url: str, timeout_s: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    host, is_secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (http.client.HTTPS_PORT if is_secure else http.client.HTTP_PORT)  # also of [::1]
    if is_secure:
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=timeout_s)


@contextlib.contextmanager
def deadline(connection: socket.socket, seconds: float) -> Iterator[None]:
    """Shuts a connection down when its time is up, whatever a slow server drips meanwhile. Raises TimeoutError then."""
    passed = threading.Event()

    def stop() -> None:
        passed.set()
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if passed.is_set():  # headers that are cut off look like whole ones
            raise TimeoutError


def _judge(status: int) -> None:
    """Raises _Refused, or OSError where another time may do."""
    if 200 <= status < 300:
        return
    sentence = f"the server answered {status} {http.client.responses.get(status, 'unknown status')}"
    if status >= 500 or status in (408, 429):
        raise OSError(sentence)
    raise _Refused(sentence)


def describe(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "not done within the time limit"
    if isinstance(error, OSError):
        return f"cannot be reached: {error.strerror}" if error.strerror else str(error)
    return f"no whole HTTP answer: {type(error).__name__}"
