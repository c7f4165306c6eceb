"""Recorded exchanges with the real GitHub, given back in order to a client that asks the same."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter


class Replay(BaseAdapter):
    """Answers with what was recorded; `asked` is what came, `left` what nobody asked for.

    Exchanges that the code under test has no use for are stepped over: `skip` picks them.
    """

    def __init__(self, path: Path, skip: Any = lambda exchange: False) -> None:
        super().__init__()
        self.left = [e for e in json.loads(path.read_bytes()) if not skip(e)]
        self.asked: list[tuple[str, str, bytes]] = []

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        body = request.body.read() if hasattr(request.body, "read") else request.body or b""
        self.asked.append((str(request.method), parts.path, body if isinstance(body, bytes) else body.encode()))
        exchange = self.left.pop(0)
        recorded = urlsplit(exchange["scope"] + exchange["path"])
        assert (request.method.lower(), parts.hostname, parts.path) == (
            exchange["method"],
            recorded.hostname,
            recorded.path,
        )
        response = requests.Response()
        response.status_code = exchange["status"]
        response.headers.update({name: str(value) for name, value in exchange["headers"].items()})
        answer = exchange["response"]
        response.raw = io.BytesIO(json.dumps(answer).encode() if answer != "" else b"")
        response.url, response.request = str(request.url), request
        return response

    def close(self) -> None:
        pass
