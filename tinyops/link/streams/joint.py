"""Two streams joined byte for byte: what comes from one goes to the other, as long as both last and again after that.

Nothing is kept for later. While a stream has nobody, what is meant for it is dropped, and counted; while somebody is
there who takes nothing, the other stream is not read, and after `stall_s` he is given up. So at most a piece is under
way in each direction, a device is never held up by an empty place, and no byte is missing within a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tinyops.errors import ToolError
from tinyops.link.client import LinkClosed
from tinyops.link.streams.kind import Connection, Stream

STALL_S = 5.0
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 5.0
CLOSE_S = 5.0


@dataclass(frozen=True)
class Event:
    """`waits`: it cannot be connected, is tried again, and that is said once. Bytes are those of the connection."""

    stream: str
    what: Literal["connected", "lost", "waits"]
    peer: str = ""
    why: str = ""
    received: int = 0
    sent: int = 0


Tell: TypeAlias = Callable[[Event], None]


def event_text(event: Event) -> str:
    """For people."""
    if event.what == "connected":
        return f"{event.stream}: connected: {event.peer}"
    if event.what == "waits":
        return f"{event.stream}: {event.why}; it is tried again"
    return f"{event.stream}: lost: {event.peer}: {event.why} ({event.received:,} bytes from it, {event.sent:,} to it)"


@dataclass
class Counts:
    """Of one stream, since it was joined. `dropped`: nobody was there to take them."""

    connections: int = 0
    received: int = 0
    sent: int = 0
    dropped: int = 0


class Joint:
    """`run` joins them until it is cancelled, or until neither has brought a byte for `idle_s`."""

    def __init__(
        self, one: Stream, other: Stream, tell: Tell, *, stall_s: float = STALL_S, patient: bool = False
    ) -> None:
        """`patient`: what cannot be opened is tried again, too."""
        self._patient = patient
        self.one, self.other = _End(one, tell, stall_s, patient), _End(other, tell, stall_s, patient)
        self.ends = (self.one, self.other)

    async def run(self, idle_s: float | None = None) -> None:
        """Raises ToolError when a stream cannot be opened, or tried again in vain."""
        try:
            if not self._patient:
                for end in self.ends:
                    await end.open()
            async with asyncio.TaskGroup() as tasks:
                kept = [tasks.create_task(self.one.keep(self.other)), tasks.create_task(self.other.keep(self.one))]
                if idle_s is not None:
                    await self._idle(idle_s)
                    for task in kept:
                        task.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None  # one is enough, and the other was cancelled for it
        finally:
            for end in self.ends:
                await end.stream.close()

    async def _idle(self, idle_s: float) -> None:
        while (left := idle_s - (time.monotonic() - max(self.one.heard, self.other.heard))) > 0:
            await asyncio.sleep(left)


class _End:
    """One stream, and whoever is there."""

    def __init__(self, stream: Stream, tell: Tell, stall_s: float, patient: bool) -> None:
        self.stream, self.counts = stream, Counts()
        self.heard = time.monotonic()
        self._tell, self._stall_s, self._patient = tell, stall_s, patient
        self._is_open = False
        self._connection: Connection | None = None
        self._sent = 0  # of this connection
        self._given_up = ""

    async def open(self) -> None:
        """Once. Raises ToolError."""
        if not self._is_open:
            await self.stream.open()
            self._is_open = True

    async def keep(self, other: _End) -> None:
        """One connection after another. What was there once may come back, whatever keeps it away."""
        said, delay_s = "", FIRST_DELAY_S
        while True:
            try:
                await self.open()
                connection = await self.stream.connection()
            except ToolError as error:
                if not (isinstance(error, LinkClosed) or self.counts.connections or self._patient):
                    raise
                if error.message != said:
                    said = error.message
                    self._tell(Event(self.stream.name, "waits", why=said))
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)
            else:
                said, delay_s, began = "", FIRST_DELAY_S, time.monotonic()
                await self._carry(connection, other)
                if time.monotonic() - began < FIRST_DELAY_S:  # who lets others in, and ends it, again and again
                    await asyncio.sleep(FIRST_DELAY_S)

    async def _carry(self, connection: Connection, other: _End) -> None:
        self._connection, self._sent, self._given_up, received, why = connection, 0, "", 0, ""
        self.counts.connections += 1
        self._tell(Event(self.stream.name, "connected", connection.peer))
        try:
            while True:
                data = await connection.read()
                self.heard = time.monotonic()
                received += len(data)
                self.counts.received += len(data)
                await other.send(data)
        except LinkClosed as error:
            why = self._given_up or error.message
        finally:
            self._connection = None
            with contextlib.suppress(TimeoutError, LinkClosed):
                async with asyncio.timeout(CLOSE_S):
                    await connection.close()
        self._tell(Event(self.stream.name, "lost", connection.peer, why, received, self._sent))

    async def send(self, data: bytes) -> None:
        """To whoever is there when it begins."""
        connection, left = self._connection, data
        try:
            while left and connection is not None:
                async with asyncio.timeout(self._stall_s):
                    await connection.write(left[: connection.stride])
                sent = min(len(left), connection.stride)
                self.counts.sent += sent
                self._sent += sent
                left = left[sent:]
        except TimeoutError:
            self._give_up(connection, f"it took no bytes for {self._stall_s:g} s")
        except LinkClosed as error:
            self._give_up(connection, error.message)
        self.counts.dropped += len(left)

    def _give_up(self, connection: Connection | None, why: str) -> None:
        """Its reader then sees the end."""
        if connection is not None:
            self._given_up = why if connection is self._connection else self._given_up
            connection.abort()
