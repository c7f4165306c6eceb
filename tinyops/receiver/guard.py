"""What stands before an application: who may come in, how often, how much at once, and how slowly.

An ASGI application around another one. Nothing of a request is read before its headers were looked at, and never more
than the bodies of `bodies_max` requests are in memory.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.responses import JSONResponse

from tinyops.receiver.rates import Rates, client_name
from tinyops.receiver.tokens import Tokens

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

BUSY_S = 2  # what a client is asked to wait where nobody knows better


@dataclass(frozen=True)
class Limits:
    """`per_client_s` and `burst` requests of one address; `bodies_max` bodies are read at a time, `bodies_per_client`
    of one address; a body is at most `body_bytes` and comes at `slowest_bytes_per_s` after `patience_s`."""

    body_bytes: int = 4 * 1024 * 1024
    bodies_max: int = 16
    bodies_per_client: int = 4
    per_client_s: float = 20.0
    burst: float = 60.0
    patience_s: float = 10.0
    slowest_bytes_per_s: int = 8192


class Refused(Exception):
    """An answer instead of the application's: status, a sentence, headers."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers or {}

    @staticmethod
    def busy(status: int, sentence: str, seconds: float = BUSY_S) -> Refused:
        return Refused(status, sentence, {"Retry-After": str(max(math.ceil(seconds), 1))})


class Guard:
    """`tokens` by method and path: other paths are not there. `answered` counts answers by status."""

    def __init__(
        self,
        app: App,
        tokens: Mapping[tuple[str, str], Tokens | None],
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._tokens, self._limits, self._clock = app, tokens, limits, clock
        self._rates = Rates(limits.per_client_s, limits.burst)
        self._reading: Counter[str] = Counter()
        self.answered: Counter[int] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"a guard of http was given {scope['type']}")
        counted = self._counting(send)
        try:
            self._check(scope)
        except Refused as refused:
            end = {} if await self._drained(scope, receive) else {"Connection": "close"}
            answer = refusal(Refused(refused.status, refused.sentence, {**refused.headers, **end}))
            await answer(scope, receive, counted)
            return
        client = _client(scope)
        self._reading[client] += 1
        try:
            await self._app(scope, self._bounded(scope, receive), counted)
        except Refused as refused:
            await refusal(refused)(scope, receive, counted)
        finally:
            self._reading[client] -= 1
            self._reading += Counter()  # forgets whom it does not read from

    def _check(self, scope: Scope) -> None:
        """Raises Refused by what is known before a byte of the body is read, the cheapest first."""
        client = _client(scope)
        if (wait_s := self._rates.wait_s(client, self._clock())) > 0:
            raise Refused.busy(429, "more requests than one client may send", wait_s)
        place = (scope["method"], scope["path"])
        if place not in self._tokens:
            known = sorted(method for method, path in self._tokens if path == scope["path"])
            if known:
                raise Refused(405, f"{scope['path']} takes {' and '.join(known)}", {"Allow": ", ".join(known)})
            raise Refused(404, "there is nothing here")
        headers = _headers(scope)
        tokens = self._tokens[place]
        if tokens is not None and not tokens.knows(headers.get("authorization", "")):
            raise Refused(401, "the token is missing or wrong", {"WWW-Authenticate": "Bearer"})
        self._check_body(headers, client)

    def _check_body(self, headers: Mapping[str, str], client: str) -> None:
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()) or len(length) > 15:
            raise Refused(400, "the length is none")
        if int(length) > self._limits.body_bytes:
            raise Refused(413, f"larger than {self._limits.body_bytes:,} bytes")
        if headers.get("content-encoding", "identity") != "identity":
            raise Refused(415, "encoded, which is not taken")
        if self._reading.total() >= self._limits.bodies_max or self._reading[client] >= self._limits.bodies_per_client:
            raise Refused.busy(429, "too much at once")

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """The body as it comes, not longer and not slower than it may be, and as long as was announced."""
        limits, started_s = self._limits, self._clock()
        announced = _headers(scope).get("content-length")
        read = 0

        async def bounded() -> Message:
            nonlocal read
            left_s = started_s + limits.patience_s + read / limits.slowest_bytes_per_s - self._clock()
            try:
                message = await asyncio.wait_for(receive(), max(left_s, 0))
            except TimeoutError:
                raise Refused(408, "too slow", {"Connection": "close"}) from None
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > limits.body_bytes:
                    raise Refused(413, f"larger than {limits.body_bytes:,} bytes", {"Connection": "close"})
                if not message.get("more_body") and announced is not None and read != int(announced):
                    raise Refused(400, f"{read:,} bytes came, {int(announced):,} were announced")
            return message

        return bounded

    async def _drained(self, scope: Scope, receive: Receive) -> bool:
        """Takes in what a refused client is sending and forgets it, for one whose connection is cut never sees the
        answer; not where it is too much or without an end: that connection ends."""
        headers = _headers(scope)
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdecimal() or int(length[:15]) > self._limits.body_bytes:
            return False
        bounded = self._bounded(scope, receive)
        try:
            while (message := await bounded())["type"] == "http.request" and message.get("more_body"):
                pass
        except Refused:
            return False
        return True

    def _counting(self, send: Send) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answered[message["status"]] += 1
            await send(message)

        return counted


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises Refused where the client went away."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(400, "the client went away")
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def refusal(refused: Refused) -> JSONResponse:
    return JSONResponse({"error": refused.sentence}, refused.status, refused.headers)


def _headers(scope: Scope) -> dict[str, str]:
    """By name; one that is there twice counts as the last: h11 lets lengths through only where they agree."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _client(scope: Scope) -> str:
    address = scope.get("client")
    return client_name(address[0]) if address else "somebody"
