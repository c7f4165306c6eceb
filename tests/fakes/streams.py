"""A stream joined to a pair of sockets, whose other end a test has; events are looked at as they come."""

from __future__ import annotations

import contextlib
import queue
import socket
from collections.abc import Iterator

from tinyops.errors import TinyopsError
from tinyops.link.own_loop import OwnLoop
from tinyops.link.streams.joint import Event, Joint
from tinyops.link.streams.kind import Stream
from tinyops.link.streams.pair import HandedStream

WAIT_S = 20.0


class Joined:
    """What a test does with it."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._end.settimeout(WAIT_S)
        self.events: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()

    def say(self, data: bytes) -> None:
        self._end.sendall(data)

    def hear(self, count: int) -> bytes:
        data = b""
        while len(data) < count and (more := self._end.recv(65_536)):
            data += more
        return data

    def until(self, what: str, stream: Stream) -> Event:
        """The next such event of a stream; others are passed over."""
        while True:
            event = self.events.get(timeout=WAIT_S)
            if isinstance(event, BaseException):
                raise event
            if (event.what, event.stream) == (what, stream.name):
                return event


@contextlib.contextmanager
def joining(stream: Stream, *, stall_s: float = 5.0) -> Iterator[Joined]:
    """In an event loop of its own, as an agent does it."""
    ours, theirs = socket.socketpair()
    joined, inner = Joined(ours), HandedStream("inner")
    joint = Joint(stream, inner, joined.events.put, stall_s=stall_s)

    async def run() -> None:
        await inner.hand(theirs)
        try:
            await joint.run()
        except TinyopsError as error:
            joined.events.put(error)

    loop = OwnLoop("joint")
    task = loop.start(run())
    try:
        yield joined
    finally:
        loop.cancel(task, WAIT_S)
        loop.end()
        ours.close()
