"""The one place of a stream that others connect to: who has it, and when it goes to somebody else."""

from __future__ import annotations

import asyncio
import time

from tinyops.link.client import LinkClosed
from tinyops.link.streams.kind import Connection

SILENT_S = 5.0  # parts tell their state once a second; STREAM_SILENT_US of runtime/port/part/stream.c


class Place:
    """Whoever speaks keeps it. Who has said nothing for `silent_s` gives way to who comes next, so that no peer that
    is idle, or whose machine died, keeps others out; without one to come he stays."""

    def __init__(self, silent_s: float = SILENT_S) -> None:
        self._silent_s = silent_s
        self._next: asyncio.Queue[Held] = asyncio.Queue(1)
        self._held: Held | None = None

    def is_free(self) -> bool:
        return self._held is None or self._held.silent_s() >= self._silent_s

    def give(self, connection: Connection) -> Held:
        """Only where it is free."""
        if self._held is not None:
            self._held.give_way(connection.peer)
        while not self._next.empty():  # who came before, and whom nobody has looked at
            self._next.get_nowait().abort()
        self._held = held = Held(connection, self)
        self._next.put_nowait(held)
        return held

    def left(self, held: Held) -> None:
        if self._held is held:
            self._held = None

    async def next(self) -> Connection:
        return await self._next.get()

    async def close(self) -> None:
        """Ends who is there, and who would have been next."""
        while not self._next.empty():
            await self._next.get_nowait().close()
        if self._held is not None:
            await self._held.close()


class Held:
    """The connection that has the place."""

    def __init__(self, connection: Connection, place: Place) -> None:
        self.peer, self.stride = connection.peer, connection.stride
        self._connection, self._place = connection, place
        self._waits_since: float | None = time.monotonic()
        self._heir = ""

    def silent_s(self) -> float:
        """For how long it has been listened to in vain. Who is not listened to, because the other stream takes
        nothing, is not silent."""
        return 0.0 if self._waits_since is None else time.monotonic() - self._waits_since

    def give_way(self, heir: str) -> None:
        self._heir = heir
        self.abort()

    async def read(self) -> bytes:
        self._waits_since = time.monotonic()
        try:
            return await self._connection.read()
        except LinkClosed as error:
            raise self._named(error) from error
        finally:
            self._waits_since = None

    async def write(self, data: bytes) -> None:
        try:
            await self._connection.write(data)
        except LinkClosed as error:
            raise self._named(error) from error

    def _named(self, error: LinkClosed) -> LinkClosed:
        return LinkClosed(f"it was silent, and {self._heir} takes its place") if self._heir else error

    def abort(self) -> None:
        self._connection.abort()

    async def close(self) -> None:
        self._place.left(self)
        await self._connection.close()
