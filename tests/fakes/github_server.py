"""GitHub as far as releases and refs go: stateful, on three hosts of loopback, with faults that a test switches on.

Releases and refs live at the API's address, uploads go to another port, downloads are redirected to
another host name with a long address that expires. `exchanges` has every request and answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fakes.github_routes import add_asset, answer_object, answer_page, authorise, query_of, route
from fakes.github_state import READ_TOKEN, REPOSITORY, TOKEN, Refused, Release, State
from fakes.openapi import Exchange

__all__ = ["READ_TOKEN", "REPOSITORY", "TOKEN", "Fault", "GitHub", "Release", "serving_github"]


@dataclass
class Fault:
    """What happens to requests that `when` picks, `times` times. `after`: the request is carried out first."""

    kind: str  # drop, status, truncate, stall, garbage, half, kill
    when: Callable[[str, str, int], bool]  # method, path, number of the request from 1
    times: int = 1
    after: bool = False
    status: int = 502
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"message": "trouble"}'
    pid: Callable[[], int] = lambda: 0


class GitHub:
    """The running server."""

    def __init__(self) -> None:
        self.state = State()
        self.faults: list[Fault] = []
        self.exchanges: list[Exchange] = []
        self.asked: list[tuple[str, str, str]] = []  # place, method, path
        self.leaks: list[str] = []  # requests that brought a token to the second host
        self.ranges: list[str] = []  # what each request there asked for
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self._servers = {p: _Server(p, self) for p in ("api", "uploads", "objects")}
        ports = {place: server.server_address[1] for place, server in self._servers.items()}
        self.url = f"http://127.0.0.1:{ports['api']}"
        self.state.api, self.state.web = f"{self.url}/api/v3", self.url
        self.state.uploads = f"http://127.0.0.1:{ports['uploads']}/api/uploads"
        self.state.objects = f"http://localhost:{ports['objects']}"

    def __enter__(self) -> GitHub:
        self._threads = [
            threading.Thread(target=s.serve_forever, kwargs={"poll_interval": 0.01}) for s in self._servers.values()
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for server in self._servers.values():
            server.shutdown()
        for thread in self._threads:
            thread.join()
        for server in self._servers.values():
            server.server_close()

    def fault(self, kind: str, method: str = "", path: str = "", **options: Any) -> Fault:
        """A fault for requests of a method whose path matches a pattern; `number` picks one by its number instead."""
        number = options.pop("number", 0)

        def when(asked: str, at: str, count: int) -> bool:
            if number:
                return count == number
            return (not method or asked == method) and re.search(path, at) is not None

        fault = Fault(kind, when, **options)
        self.faults.append(fault)
        return fault

    def take_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.when(method, path, len(self.asked)):
                fault.times -= 1
                return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, place: str, github: GitHub) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.place, self.github = place, github

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news."""


class _Request(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer in two parts would wait 40 ms for an acknowledgement
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its name in the base class
        pass

    def _any(self) -> None:
        github, place = self.server.github, self.server.place
        prefix = {"api": "/api/v3", "uploads": "/api/uploads", "objects": ""}[place]
        path = self.path.removeprefix(prefix)
        with github.lock:
            github.asked.append((place, self.command, path))
            fault = github.take_fault(self.command, path)
        if fault is not None and fault.kind == "half":
            return self._half(path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if len(body) < int(self.headers.get("Content-Length", "0")):
            return self._gave_up(path, body)
        if fault is not None and not fault.after and self._spoil(fault, b"", {}):
            return None
        with github.lock:
            status, headers, answer = self._answer(place, path, body)
            if place != "objects" and self.path.startswith(prefix):
                sent_as = self.headers.get("Content-Type", "")
                github.exchanges.append(
                    Exchange(
                        place, self.command, path, sent_as, body, status, headers, answer if status != 302 else b""
                    )
                )
        if fault is not None and self._spoil(fault, answer, headers):
            return None
        return self._send(status, answer, headers)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _any

    def _answer(self, place: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        state = self.server.github.state
        try:
            if place == "api" and not self.path.startswith("/api/"):
                return answer_page(state, self.path)
            if place == "objects":
                return answer_object(self.server.github, self)
            level = authorise(state, self)
            status, value, headers = route(state, self, path, body, level)
        except Refused as refused:
            status, value, headers = refused.status, refused.body, refused.headers
        if state.rate_remaining is not None:
            headers = {**headers, "X-RateLimit-Remaining": str(state.rate_remaining)}
        if value is None:
            return status, headers, b""
        answer = json.dumps(value).encode()
        return status, {"Content-Type": "application/json; charset=utf-8", "ETag": '"e"', **headers}, answer

    def _send(self, status: int, answer: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def _spoil(self, fault: Fault, answer: bytes, headers: dict[str, str]) -> bool:
        """Whether the answer has been taken care of."""
        if fault.kind == "kill":
            os.kill(fault.pid(), signal.SIGKILL)
        elif fault.kind == "stall":
            self.server.github.stopping.wait(20)
        elif fault.kind == "status":
            self._send(fault.status, fault.body, {"Content-Type": "application/json", **fault.headers})
            return True
        elif fault.kind == "json":
            self._send(200, fault.body, {"Content-Type": "application/json"})
            return True
        elif fault.kind == "garbage":
            self._send(200, b"<!doctype html><title>Please log in</title>", {"Content-Type": "text/html"})
            return True
        elif fault.kind == "truncate":
            if not fault.after:
                return False  # the answer is needed
            self.send_response(206 if "Content-Range" in headers else 200)
            for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer[: len(answer) // 2])
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(2)
        return True

    def _half(self, path: str) -> None:
        """An upload of which half arrives."""
        length = int(self.headers["Content-Length"])
        self._gave_up(path, self.rfile.read(length // 2))
        self.connection.shutdown(2)

    def _gave_up(self, path: str, content: bytes) -> None:
        """The client went away in the middle of its upload."""
        github = self.server.github
        with github.lock:
            release = int(path.split("/releases/")[1].split("/")[0])
            add_asset(github.state, release, query_of(path)["name"], content, "starter")
        self.close_connection = True


@contextlib.contextmanager
def serving_github() -> Iterator[GitHub]:
    with GitHub() as github:
        yield github
