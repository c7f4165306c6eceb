"""Two streams joined: what is carried, counted, dropped, given up, and tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tinyops.errors import ToolError
from tinyops.link.client import LinkClosed
from tinyops.link.streams import joint
from tinyops.link.streams.joint import Event, Joint

WAIT_S = 5.0


class FakeConnection:
    """`takes` false: whoever writes waits."""

    stride = 1000

    def __init__(self, peer: str, *, takes: bool = True) -> None:
        self.peer, self.takes = peer, takes
        self.incoming: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.written = bytearray()
        self.is_closed = False

    async def read(self) -> bytes:
        if (data := await self.incoming.get()) is None:
            raise LinkClosed("pulled out")
        return data

    async def write(self, data: bytes) -> None:
        if not self.takes:
            await asyncio.Event().wait()
        self.written += data

    def abort(self) -> None:
        self.incoming.put_nowait(None)

    async def close(self) -> None:
        self.is_closed = True


class FakeStream:
    """Gives out what is put in: connections, and errors."""

    def __init__(self, name: str, *first: FakeConnection | ToolError, wrong: ToolError | None = None) -> None:
        self.name, self._wrong = name, wrong
        self.next: asyncio.Queue[FakeConnection | ToolError] = asyncio.Queue()
        self.is_closed = False
        for one in first:
            self.next.put_nowait(one)

    async def open(self) -> None:
        if self._wrong is not None:
            raise self._wrong

    async def connection(self) -> FakeConnection:
        found = await self.next.get()
        if isinstance(found, ToolError):
            raise found
        return found

    async def close(self) -> None:
        self.is_closed = True


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():
            await asyncio.sleep(0.001)


def joined(
    one: FakeStream, other: FakeStream, script: Callable[[Joint, list[Event]], Coroutine[Any, Any, None]]
) -> list[Event]:
    told: list[Event] = []

    async def run() -> None:
        made = Joint(one, other, told.append, stall_s=0.05)
        task = asyncio.create_task(made.run())
        try:
            await script(made, told)
        finally:
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(run())
    assert one.is_closed and other.is_closed
    return told


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint, "FIRST_DELAY_S", 0.002)
    monkeypatch.setattr(joint, "LONGEST_DELAY_S", 0.004)


def test_bytes_go_both_ways_and_are_counted() -> None:
    a, b = FakeConnection("a"), FakeConnection("b")

    async def script(made: Joint, told: list[Event]) -> None:
        await until(lambda: len(told) == 2)
        a.incoming.put_nowait(b"\0one")
        b.incoming.put_nowait(b"another\n")
        await until(lambda: (bytes(b.written), bytes(a.written)) == (b"\0one", b"another\n"))
        assert (made.one.counts.received, made.one.counts.sent, made.other.counts.received) == (4, 8, 8)

    told = joined(FakeStream("one", a), FakeStream("other", b), script)
    assert {(event.what, event.peer) for event in told[:2]} == {("connected", "a"), ("connected", "b")}
    assert a.is_closed and b.is_closed


def test_who_is_lost_comes_back_and_what_was_meant_for_it_meanwhile_is_dropped() -> None:
    a, before, after = FakeConnection("a"), FakeConnection("before"), FakeConnection("after")
    other = FakeStream("other", before)

    async def script(made: Joint, told: list[Event]) -> None:
        await until(lambda: len(told) == 2)
        a.incoming.put_nowait(b"first")
        await until(lambda: before.written)
        before.incoming.put_nowait(None)
        await until(lambda: len(told) == 3)
        a.incoming.put_nowait(b"into nothing")
        await until(lambda: made.other.counts.dropped == 12)
        other.next.put_nowait(after)
        await until(lambda: len(told) == 4)
        a.incoming.put_nowait(b"second")
        await until(lambda: after.written)

    told = joined(FakeStream("one", a), other, script)
    assert told[2] == Event("other", "lost", "before", "pulled out", received=0, sent=5)
    assert bytes(after.written) == b"second"


def test_who_takes_nothing_stalls_the_other_and_is_then_given_up() -> None:
    a, b = FakeConnection("a"), FakeConnection("b", takes=False)

    async def script(made: Joint, told: list[Event]) -> None:
        await until(lambda: len(told) == 2)
        a.incoming.put_nowait(b"x" * 100)
        a.incoming.put_nowait(b"y" * 10)
        await asyncio.sleep(0.01)
        assert a.incoming.qsize() == 1, "it is not read meanwhile"
        await until(lambda: made.other.counts.dropped == 110)

    told = joined(FakeStream("one", a), FakeStream("other", b), script)
    assert told[2] == Event("other", "lost", "b", "it took no bytes for 0.05 s", received=0, sent=0)


def test_what_cannot_be_reached_is_said_once_and_tried_again() -> None:
    a = FakeConnection("a")
    one = FakeStream("one", *[LinkClosed("nobody there", hint="plug it in")] * 3, LinkClosed("busy"), a)

    async def script(made: Joint, told: list[Event]) -> None:
        await until(lambda: len(told) == 3)

    told = joined(one, FakeStream("other"), script)
    assert [(event.what, event.why) for event in told] == [
        ("waits", "nobody there"),
        ("waits", "busy"),
        ("connected", ""),
    ]


def test_what_is_in_vain_ends_it_unless_it_was_there_before() -> None:
    wrong = ToolError("no adapter")

    async def fails(one: FakeStream) -> None:
        with pytest.raises(ToolError, match="no adapter"):
            await Joint(one, FakeStream("other"), lambda _: None).run()
        assert one.is_closed

    for one in (FakeStream("one", wrong=wrong), FakeStream("one", wrong)):
        asyncio.run(fails(one))
    a, again = FakeConnection("a"), FakeConnection("again")
    a.incoming.put_nowait(None)

    async def script(made: Joint, told: list[Event]) -> None:
        await until(lambda: [event.what for event in told] == ["connected", "lost", "waits", "connected"])

    joined(FakeStream("one", a, wrong, again), FakeStream("other"), script)


def test_an_idle_bridge_ends_when_it_was_told_to() -> None:
    a, b = FakeConnection("a"), FakeConnection("b")

    async def run() -> None:
        task = asyncio.create_task(Joint(FakeStream("one", a), FakeStream("other", b), told.append).run(idle_s=0.05))
        await until(lambda: len(told) == 2)
        a.incoming.put_nowait(b"x")
        await asyncio.wait_for(task, WAIT_S)

    told: list[Event] = []
    asyncio.run(run())
    assert bytes(b.written) == b"x"
    assert a.is_closed and b.is_closed
