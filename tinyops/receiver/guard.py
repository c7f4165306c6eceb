"""What stands before an application: who may come in, how often, how much at once, and how slowly.

An ASGI application around another one. Nothing of a request is read before its headers were looked at, and never more
than the bodies of `bodies_max` requests are in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
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
    of one address, `bodies_bytes` of them all; a body is at most `body_bytes` and comes at `slowest_bytes_per_s` after
    `patience_s`. Streams are counted apart: they come as slowly as they like, but not with nothing for `idle_s`."""

    body_bytes: int = 4 * 1024 * 1024
    bodies_max: int = 16
    bodies_per_client: int = 4
    bodies_bytes: int = 64 * 1024 * 1024
    streams_max: int = 0
    idle_s: float = 60.0
    per_client_s: float = 20.0
    burst: float = 60.0
    patience_s: float = 10.0
    slowest_bytes_per_s: int = 8192


@dataclass(frozen=True)
class Door:
    """Who may use a method of a path, and what a body may be there: as `Limits` say, or up to `body_bytes`; a stream is
    as long as the application lets it be, and never wholly in memory. A part of a path in braces stands for any."""

    tokens: Tokens | None
    body_bytes: int | None = None
    streams: bool = False


class Refused(Exception):
    """An answer instead of the application's: status, a sentence, headers, and facts for programs."""

    def __init__(
        self,
        status: int,
        sentence: str,
        headers: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers, self.facts = status, sentence, headers or {}, facts or {}

    @staticmethod
    def busy(status: int, sentence: str, seconds: float = BUSY_S) -> Refused:
        return Refused(status, sentence, {"Retry-After": str(max(math.ceil(seconds), 1))})


class Guard:
    """`doors` by method and path: other paths are not there. `answered` counts answers by status. What a token is good
    for stands in the request's state as `scope`."""

    def __init__(
        self,
        app: App,
        doors: Mapping[tuple[str, str], Door],
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._limits, self._clock = app, limits, clock
        self._doors = {(method, tuple(path.split("/"))): door for (method, path), door in doors.items()}
        self._rates = Rates(limits.per_client_s, limits.burst)
        self._reading: Counter[str] = Counter()
        self._reading_bytes = self._streams = 0
        self.answered: Counter[int] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"a guard of http was given {scope['type']}")
        counted = self._counting(send)
        try:
            door = self._check(scope)
        except Refused as refused:
            end = {} if await self._drained(scope, receive) else {"Connection": "close"}
            answer = refusal(Refused(refused.status, refused.sentence, {**refused.headers, **end}))
            await answer(scope, receive, counted)
            return
        with self._counted(scope, door):
            try:
                await self._app(scope, self._bounded(scope, receive, door), counted)
            except Refused as refused:
                await refusal(refused)(scope, receive, counted)

    @contextlib.contextmanager
    def _counted(self, scope: Scope, door: Door) -> Iterator[None]:
        """Among what is being read, as long as it is."""
        client, size = _client(scope), 0 if door.streams else self._size(_headers(scope), door)
        self._streams += door.streams
        self._reading[client] += not door.streams
        self._reading_bytes += size
        try:
            yield
        finally:
            self._streams -= door.streams
            self._reading[client] -= not door.streams
            self._reading += Counter()  # forgets whom it does not read from
            self._reading_bytes -= size

    def _check(self, scope: Scope) -> Door:
        """Raises Refused by what is known before a byte of the body is read, the cheapest first."""
        client = _client(scope)
        if (wait_s := self._rates.wait_s(client, self._clock())) > 0:
            raise Refused.busy(429, f"more than {self._limits.per_client_s:g} requests a second of one client", wait_s)
        door = self._door(scope)
        headers = _headers(scope)
        if door.tokens is not None:
            good_for = door.tokens.scope(headers.get("authorization", ""))
            if good_for is None:
                raise Refused(401, "the token is missing or wrong", {"WWW-Authenticate": "Bearer"})
            scope.setdefault("state", {})["scope"] = good_for
        self._check_body(headers, client, door)
        return door

    def _door(self, scope: Scope) -> Door:
        parts = tuple(scope["path"].split("/"))
        found = {method: door for (method, path), door in self._doors.items() if _leads(path, parts)}
        if scope["method"] in found:
            return found[scope["method"]]
        if found:
            known = sorted(found)
            raise Refused(405, f"{scope['path']} takes {' and '.join(known)}", {"Allow": ", ".join(known)})
        raise Refused(404, "there is nothing here")

    def _most(self, door: Door) -> int:
        return self._limits.body_bytes if door.body_bytes is None else door.body_bytes

    def _size(self, headers: Mapping[str, str], door: Door) -> int:
        """What a body may take of memory."""
        return self._most(door) if "transfer-encoding" in headers else int(headers.get("content-length", "0"))

    def _check_body(self, headers: Mapping[str, str], client: str, door: Door) -> None:
        limits, length = self._limits, headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()) or len(length) > 15:
            raise Refused(400, "the length is none")
        if int(length) > self._most(door) and not door.streams:
            raise Refused(413, f"larger than {self._most(door):,} bytes")
        if headers.get("content-encoding", "identity") != "identity":
            raise Refused(415, "encoded, which is not taken")
        if door.streams:
            if self._streams >= limits.streams_max:
                raise Refused.busy(429, f"{limits.streams_max:,} streams come in already")
        elif (
            self._reading.total() >= limits.bodies_max
            or self._reading[client] >= limits.bodies_per_client
            or self._reading_bytes + self._size(headers, door) > limits.bodies_bytes
        ):
            raise Refused.busy(429, "too much at once")

    def _bounded(self, scope: Scope, receive: Receive, door: Door) -> Receive:
        """The body as it comes, not longer and not slower than it may be, and as long as was announced."""
        limits, started_s = self._limits, self._clock()
        announced = _headers(scope).get("content-length")
        read, ended = 0, False

        async def bounded() -> Message:
            nonlocal read, ended
            if ended:
                return await receive()  # waits for the client to go away
            left_s = started_s + limits.patience_s + read / limits.slowest_bytes_per_s - self._clock()
            try:
                message = await asyncio.wait_for(receive(), limits.idle_s if door.streams else max(left_s, 0))
            except TimeoutError:
                raise Refused(408, "too slow", {"Connection": "close"}) from None
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                ended = not message.get("more_body")
                if read > self._most(door) and not door.streams:
                    raise Refused(413, f"larger than {self._most(door):,} bytes", {"Connection": "close"})
                if ended and announced is not None and read != int(announced):
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
        bounded = self._bounded(scope, receive, Door(None))
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
    return JSONResponse({"error": refused.sentence, **refused.facts}, refused.status, refused.headers)


def _leads(path: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Whether a door's path, with any for a part in braces, is that of a request."""
    return len(path) == len(parts) and all(
        known == part or (known.startswith("{") and part) for known, part in zip(path, parts, strict=True)
    )


def _headers(scope: Scope) -> dict[str, str]:
    """By name; one that is there twice counts as the last: h11 lets lengths through only where they agree."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _client(scope: Scope) -> str:
    address = scope.get("client")
    return client_name(address[0]) if address else "somebody"
