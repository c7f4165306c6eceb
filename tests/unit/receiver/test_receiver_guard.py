"""What stands before a receiver: tokens, rates, sizes, and those who are slow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from fakes.faults import count_faults
from tinyops.errors import SpecError, ToolError
from tinyops.receiver.guard import Door, Guard, Limits, Message, Receive, Scope, Send, read_body
from tinyops.receiver.rates import Rates, client_name
from tinyops.receiver.serving import BoundedProtocol
from tinyops.receiver.tokens import Tokens

TOKEN = "0123456789abcdef"
LIMITS = Limits(body_bytes=1000, bodies_max=2, bodies_per_client=1, burst=5, patience_s=0.2, slowest_bytes_per_s=10_000)


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(token_file(tmp_path / "tokens", TOKEN))


def token_file(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await read_body(receive)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def guard(tokens: Tokens, limits: Limits = LIMITS, clock: Any = lambda: 0.0) -> Guard:
    return Guard(echo, {("POST", "/in"): Door(tokens), ("GET", "/alive"): Door(None)}, limits, clock)


class Asked:
    """One request and its answer. `parts` of the body come at once; after them nothing, if it is `stalled`."""

    def __init__(self, method: str = "POST", path: str = "/in", client: str = "10.0.0.1", **headers: str) -> None:
        named = {"authorization": f"Bearer {TOKEN}", **{n.replace("_", "-"): v for n, v in headers.items()}}
        raw = [(name.encode(), value.encode()) for name, value in named.items() if value]
        self.scope = {"type": "http", "method": method, "path": path, "client": (client, 1), "headers": raw}
        self.sent: list[Message] = []
        self.taken = 0

    async def run(self, app: Guard, parts: Iterable[bytes] = (b"",), *, stalled: bool = False) -> int:
        waiting = iter(parts)
        following = next(waiting, None)

        async def receive() -> Message:
            nonlocal following
            part, following = following, next(waiting, None)
            if part is None:
                await asyncio.sleep(60)
            self.taken += len(part or b"")
            return {"type": "http.request", "body": part, "more_body": following is not None or stalled}

        async def send(message: Message) -> None:
            self.sent.append(message)

        await app(self.scope, receive, send)
        return int(self.sent[0]["status"])

    def header(self, name: str) -> str:
        return dict(self.sent[0]["headers"]).get(name.encode(), b"").decode()

    @property
    def said(self) -> str:
        return str(json.loads(self.sent[1]["body"])["error"])


def status(app: Guard, asked: Asked, *parts: bytes, stalled: bool = False) -> int:
    return asyncio.run(asked.run(app, parts or (b"",), stalled=stalled))


def test_who_has_a_token_comes_in(tokens: Tokens) -> None:
    app = guard(tokens)
    asked = Asked(content_length="6")
    assert (status(app, asked, b"abc", b"def"), asked.sent[1]["body"]) == (200, b"abcdef")
    for header in ("", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ä"):
        assert status(guard(tokens), Asked(authorization=header)) == 401
    assert status(app, Asked("GET", "/alive", authorization="")) == 200
    assert app.answered == {200: 2}


def test_other_paths_and_methods_are_not_there(tokens: Tokens) -> None:
    assert status(guard(tokens), Asked(path="/in/../etc")) == 404
    asked = Asked("DELETE")
    assert (status(guard(tokens), asked), asked.header("allow")) == (405, "POST")


@pytest.mark.faults
def test_bodies_that_are_too_large_or_lie_are_cut_off(tokens: Tokens) -> None:
    def endless() -> Iterable[bytes]:
        while True:
            yield b"x" * 100

    cases: dict[str, tuple[Asked, Iterable[bytes], int]] = {
        "announced too large": (Asked(content_length="1001"), [b"x"], 413),
        "announced absurdly": (Asked(content_length="9" * 40), [b"x"], 400),
        "announced negative": (Asked(content_length="-1"), [b"x"], 400),
        "not a number": (Asked(content_length="1e3"), [b"x"], 400),
        "a length in other digits": (Asked(content_length="\u00b2"), [b"x"], 400),
        "endless": (Asked(transfer_encoding="chunked"), endless(), 413),
        "longer than announced": (Asked(content_length="10"), [b"x" * 11], 400),
        "shorter than announced": (Asked(content_length="10"), [b"x" * 9], 400),
        "compressed": (Asked(content_length="10", content_encoding="gzip"), [b"x" * 10], 415),
    }
    for what, (asked, parts, wanted) in cases.items():
        assert asyncio.run(asked.run(guard(tokens), parts)) == wanted, what
        assert asked.taken <= 1100, what
    count_faults("bodies too large, endless, of a wrong length", len(cases))


@pytest.mark.faults
def test_a_slow_body_ends_and_a_steady_one_may_take_its_time(tokens: Tokens) -> None:
    now = [0.0]
    stalled = Asked(content_length="10")
    assert status(guard(tokens), stalled, b"x", stalled=True) == 408
    assert stalled.header("connection") == "close"

    def dripping(bytes_each: int, seconds_each: float) -> Iterable[bytes]:
        for _ in range(900 // bytes_each):
            now[0] += seconds_each
            yield b"x" * bytes_each

    slow = Asked(transfer_encoding="chunked")
    assert asyncio.run(slow.run(guard(tokens, clock=lambda: now[0]), dripping(1, 0.05))) == 408
    assert slow.taken < 10
    steady = Asked(transfer_encoding="chunked")
    assert asyncio.run(steady.run(guard(tokens, clock=lambda: now[0]), dripping(100, 0.01))) == 200
    count_faults("clients that are too slow", 2)


def test_one_client_may_not_ask_too_often(tokens: Tokens) -> None:
    now = [0.0]
    app = guard(tokens, clock=lambda: now[0])
    assert [status(app, Asked()) for _ in range(5)] == [200] * 5
    asked = Asked(content_length="5")
    assert (status(app, asked, b"hello"), asked.header("retry-after"), asked.taken) == (429, "1", 5)
    assert asked.header("connection") == "", "what it sent was taken in: it may go on over this connection"
    assert status(app, Asked(client="10.0.0.2")) == 200
    now[0] = 0.06
    assert status(app, Asked()) == 200


def test_only_so_many_bodies_are_read_at_a_time(tokens: Tokens) -> None:
    async def crowd() -> list[int]:
        app = guard(tokens)
        slow = [Asked(client=f"10.0.0.{n}", content_length="9") for n in (1, 2)]
        tasks = [asyncio.create_task(asked.run(app, [b"x"], stalled=True)) for asked in slow]
        await asyncio.sleep(0.02)
        more = [await Asked(client=client).run(app) for client in ("10.0.0.1", "10.0.0.3")]
        first = [await task for task in tasks]
        return [*more, *first, await Asked(client="10.0.0.1").run(app)]

    assert asyncio.run(crowd()) == [429, 429, 408, 408, 200]


def test_a_client_that_hangs_up_leaves_nothing_behind(tokens: Tokens) -> None:
    async def hang_up() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        assert message["type"].startswith("http.response")

    app = guard(tokens)
    asyncio.run(app(Asked().scope, hang_up, send))
    assert (app.answered, status(app, Asked())) == ({400: 1, 200: 1}, 200)


def test_rates_are_bounded_and_fill_up_again() -> None:
    rates = Rates(2.0, 3.0, known_max=10)
    assert [rates.wait_s("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert rates.wait_s("a", 0.5) == 0
    assert rates.wait_s("a", -9.0) == 0.5, "a clock that goes back gives nothing"
    assert [rates.wait_s("a", 100.0) for _ in range(4)] == [0, 0, 0, 0.5]
    for number in range(100):
        rates.wait_s(str(number), 0.0)
    assert len(rates) == 10


def test_a_customers_ipv6_addresses_count_as_one() -> None:
    assert client_name("2001:db8:1:2::1") == client_name("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert client_name("2001:db8:1:3::1") != client_name("2001:db8:1:2::1")
    assert (client_name("10.0.0.1"), client_name("x" * 999)) == ("10.0.0.1", "x" * 64)


def test_tokens_are_read_again_and_taken_back(tmp_path: Path) -> None:
    path = token_file(tmp_path / "tokens", f"# gateways\n{TOKEN}\n\nfedcba9876543210\n")
    tokens = Tokens(path)
    assert tokens.knows(f"Bearer {TOKEN}")
    assert tokens.knows("bearer fedcba9876543210")
    token_file(path, "fedcba9876543210\n")
    assert not tokens.knows(f"Bearer {TOKEN}")
    path.write_text("short")
    assert tokens.knows("Bearer fedcba9876543210"), "a file that is wrong takes nobody's token"
    assert not tokens.knows("Bearer short")


def test_token_files_that_are_wrong_are_refused(tmp_path: Path) -> None:
    for text, why in (("", "holds no token"), ("# x\n", "holds no token"), ("short\n", "token 1 is not 16")):
        with pytest.raises(SpecError, match=why):
            Tokens(token_file(tmp_path / "tokens", text))
    (tmp_path / "tokens").chmod(0o644)
    with pytest.raises(ToolError, match="everybody may read it"):
        Tokens(tmp_path / "tokens")
    with pytest.raises(SpecError, match="cannot be read"):
        Tokens(tmp_path / "none")


class Line(asyncio.Transport):
    """A connection that nobody reads from."""

    def __init__(self, host: str) -> None:
        super().__init__({"peername": (host, 1), "sockname": ("127.0.0.1", 2)})
        self.written, self.ended = b"", ""

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.written += data

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def is_closing(self) -> bool:
        return bool(self.ended)

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Connected(BoundedProtocol):
    connections_max, patience_s = 4, 0.05


@pytest.fixture
def config(tokens: Tokens) -> Config:
    config = Config(guard(tokens), log_config=None, lifespan="off")
    config.load()
    return config


def connected(config: Config, state: ServerState, host: str) -> tuple[BoundedProtocol, Line]:
    protocol, line = Connected(config, state, {}), Line(host)
    protocol.connection_made(line)
    return protocol, line


@pytest.mark.faults
def test_connections_are_bounded_and_one_address_has_half_of_them(config: Config) -> None:
    async def crowd() -> list[str]:
        state = ServerState()
        hosts = ("10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")
        lines = [connected(config, state, host)[1] for host in hosts]
        assert len(state.connections) == 4
        refused = [line.written.startswith(b"HTTP/1.1 503 ") for line in lines]
        assert [line.ended for line in lines] == ["closed" if full else "" for full in refused]
        await asyncio.sleep(0.1)
        return [line.ended for line in lines]

    assert asyncio.run(crowd()) == ["aborted", "aborted", "closed", "aborted", "aborted", "closed"]
    count_faults("connections too many, or without a request", 6)


def test_an_answer_that_nobody_reads_ends_its_connection(config: Config) -> None:
    async def unread() -> tuple[str, str]:
        (protocol, line), (other, drained) = (
            connected(config, ServerState(), host) for host in ("10.0.0.1", "10.0.0.2")
        )
        for one in (protocol, other):
            one._unwatch()  # as if it had asked
            one.pause_writing()
        other.resume_writing()
        await asyncio.sleep(0.1)
        return line.ended, drained.ended

    assert asyncio.run(unread()) == ("aborted", "")


# -- Doors of their own ----------------------------------------------------------------------------


def doors(tokens: Tokens, limits: Limits) -> Guard:
    named = {
        ("PUT", "/takes/{take}"): Door(tokens, 10),
        ("POST", "/takes/{take}/stream"): Door(tokens, streams=True),
        ("POST", "/in"): Door(tokens),
    }
    return Guard(echo, named, limits, lambda: 0.0)


def test_a_part_in_braces_stands_for_any_and_each_door_has_its_own_limit(tokens: Tokens) -> None:
    app = doors(tokens, replace(LIMITS, burst=100, streams_max=1))
    asked = Asked("PUT", "/takes/7f", content_length="10")
    assert (status(app, asked, b"x" * 10), asked.scope["state"]["scope"]) == (200, "")
    for method, path, wanted in (
        ("PUT", "/takes/", 404),
        ("PUT", "/takes", 404),
        ("PUT", "/takes/7f/stream", 405),
        ("PUT", "/takes/7f/x", 404),
        ("GET", "/takes/7f", 405),
    ):
        assert status(app, Asked(method, path)) == wanted, path
    large = Asked("PUT", "/takes/7f", content_length="11")
    assert (status(app, large, b"x" * 11), large.said) == (413, "larger than 10 bytes")
    assert status(app, Asked("PUT", "/takes/7f", transfer_encoding="chunked"), b"x" * 11) == 413


def test_streams_are_long_and_slow_but_few_and_not_silent(tokens: Tokens) -> None:
    app = doors(tokens, replace(LIMITS, burst=100, streams_max=1, idle_s=0.2))
    long = Asked("POST", "/takes/7f/stream", transfer_encoding="chunked")
    assert status(app, long, *[b"x" * 100] * 50) == 200
    silent = Asked("POST", "/takes/7f/stream", transfer_encoding="chunked")
    assert status(app, silent, b"x", stalled=True) == 408

    async def two() -> list[int]:
        asked = [Asked("POST", "/takes/7f/stream", transfer_encoding="chunked") for _ in range(2)]
        return list(await asyncio.gather(*(one.run(app, (b"x",), stalled=True) for one in asked)))

    assert sorted(asyncio.run(two())) == [408, 429]


def test_bodies_are_bounded_by_their_bytes_in_all(tokens: Tokens) -> None:
    app = doors(tokens, replace(LIMITS, burst=100, bodies_max=100, bodies_per_client=100, bodies_bytes=1500))

    async def many(count: int, size: int, **headers: str) -> list[int]:
        asked = [Asked(**{"content_length": str(size), **headers}) for _ in range(count)]
        return list(await asyncio.gather(*(one.run(app, (b"x",), stalled=True) for one in asked)))

    assert sorted(asyncio.run(many(5, 500))) == [408] * 3 + [429] * 2
    assert sorted(asyncio.run(many(3, 0, content_length="", transfer_encoding="chunked"))) == [408, 429, 429]
    assert asyncio.run(many(1, 500)) == [408], "what was refused counts no more"
