"""What is done with takes: opened, appended to, closed, kept. Every answer waits for the disk."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
import zlib
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool

from tinyops.collect.wire import LOST_MAX, Closing, Opening, Receipt
from tinyops.receiver.guard import Refused
from tinyops.receiver.rates import Rates
from tinyops.receiver.recordings.admission import (
    Bounds,
    check_room,
    check_scope,
    check_space,
    completed,
    place,
    same_take,
)
from tinyops.receiver.recordings.disk import read_at
from tinyops.receiver.recordings.journal import Journal
from tinyops.receiver.recordings.keeper import Keeper
from tinyops.receiver.recordings.ledger import Incoming, take_name
from tinyops.receiver.recordings.records import Kind, Record
from tinyops.receiver.recordings.shelves import Shelves

SPACE_EVERY_S = 1.0
TEND_EVERY_S = 2.0
DIGEST_PIECE_BYTES = 1024 * 1024


class Desk:
    """One receiver's takes. Used from one event loop."""

    def __init__(
        self,
        journal: Journal,
        shelves: Shelves,
        bounds: Bounds,
        on_event: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.journal, self.bounds, self._shelves = journal, bounds, shelves
        self._on_event, self._clock = on_event, clock
        self.keeper = Keeper(journal, shelves, on_event, bounds.take_bytes)
        self._rates = Rates(bounds.device_bytes_per_s, bounds.device_burst_bytes)
        self._locks: defaultdict[object, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._looked_s, self._free_bytes = -SPACE_EVERY_S, 0
        self.ending = asyncio.Event()
        self.taken_bytes = self._opening = 0

    async def open(self, opening: Opening, scope: str) -> tuple[Incoming, bool]:
        """The take, and whether it is new: a device that opens one again under the same name goes on with it."""
        check_scope(scope, opening)
        opening = completed(opening, await run_in_threadpool(self._shelves.signal, opening.dataset))
        await run_in_threadpool(self._shelves.check_label, opening.dataset, opening.label)
        async with self._locks[opening.dataset, opening.device]:
            if (known := self.journal.ledger.named(opening)) is not None:
                same_take(known, opening)
                return known, False
            if opening.called and (receipt := self.journal.ledger.receipt_of(opening)) is not None:
                raise Refused(409, f"take {opening.called} was closed", facts=receipt.model_dump())
            check_room(self.journal.ledger, self.bounds, opening, self._opening)
            self._check_space()
            take = secrets.randbits(64)
            started = opening.started or datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            opening = opening.model_copy(update={"started": started})
            self._opening += 1
            try:
                await self.journal.append(Record(Kind.OPEN, take, opening.model_dump_json().encode()))
            finally:
                self._opening -= 1
        self._on_event(f"{opening.dataset} {opening.device} {take_name(take)}: opened")
        return self.journal.ledger.takes[take], True

    def find(self, name: str, scope: str) -> Incoming | Receipt:
        """Raises Refused for one that is not there, or not for this token."""
        ledger = self.journal.ledger
        known = len(name) == 16 and name.isascii() and name.isalnum() and name.lower() == name
        found: Incoming | Receipt | None = ledger.done.get(name)
        if found is None and known:
            found = ledger.takes.get(_number(name))
        if found is None:
            raise Refused(404, "no such take")
        dataset, device = (found.dataset, found.device) if isinstance(found, Receipt) else found.key[:2]
        if scope not in ("", dataset, f"{dataset}/{device}"):
            raise Refused(404, "no such take")
        return found

    def find_open(self, name: str, scope: str) -> Incoming:
        found = self.find(name, scope)
        if isinstance(found, Receipt):
            raise Refused(409, "the take is closed", facts=found.model_dump())
        return found

    async def append(
        self,
        incoming: Incoming,
        offset: int,
        data: bytes,
        *,
        crc: int | None = None,
        lost: int = 0,
        is_counted: bool = False,
    ) -> int:
        """Takes a chunk, before which `lost` frames are missing; returns the offset of the next. A chunk that
        `is_counted` has asked `wait_s` before."""
        if crc is not None and zlib.crc32(data) != crc:
            raise Refused(400, f"the CRC-32 is {zlib.crc32(data):08x}, {crc:08x} was announced: send it again")
        if not 0 <= lost <= LOST_MAX:
            raise Refused(400, f"lost: 0 to {LOST_MAX}")
        async with self._locks[incoming.take]:
            self._check_there(incoming)
            placed = place(incoming, offset, data, self.bounds)
            if placed.known and await self._differs(incoming, offset, data[: placed.known]):
                facts = {"offset": incoming.bytes}
                raise Refused(409, f"other bytes were taken from {offset:,} on", facts=facts)
            if placed.rest:
                self._check_space()
                if not is_counted and (wait_s := self.wait_s(incoming, len(placed.rest))) > 0:
                    sentence = f"more than {self.bounds.device_bytes_per_s:,.0f} bytes a second of one device"
                    raise Refused.busy(429, sentence, wait_s)
                gap = 0 if placed.known else lost
                await self.journal.append(Record(Kind.CHUNK, incoming.take, placed.rest, incoming.bytes, gap))
                self.taken_bytes += len(placed.rest)
            return incoming.bytes

    def wait_s(self, incoming: Incoming, size: int) -> float:
        """Seconds until a device may send so much; 0 where it may, and then it counts."""
        return self._rates.wait_s("/".join(incoming.key[:2]), self._clock(), size)

    async def close(self, incoming: Incoming, closing: Closing) -> Receipt:
        """The receipt, once the take lies where it belongs."""
        async with self._locks[incoming.take]:
            if incoming.closing is None:
                self._check_there(incoming)
                await run_in_threadpool(self._shelves.check_label, incoming.opening.dataset, closing.label)
                await self._check_closing(incoming, closing)
                record = Record(Kind.CLOSE, incoming.take, closing.model_dump_json().encode())
                await self.journal.append(record)
        receipt = await self.keeper.keep(incoming)
        self._locks.pop(incoming.take, None)
        return receipt

    async def drop(self, incoming: Incoming) -> None:
        """Forgets a take that its sender does not want."""
        async with self._locks[incoming.take]:
            if incoming.closing is not None:
                raise Refused(409, "the take is closed")
            if incoming.take in self.journal.ledger.takes:
                await self.journal.append(Record(Kind.DROP, incoming.take))
        self._locks.pop(incoming.take, None)
        self._on_event(f"{incoming.opening.dataset} {incoming.opening.device} {incoming.name}: dropped")

    async def tend(self) -> None:
        """Closes takes of which nothing comes any more, and keeps what was closed before; until it is cancelled."""
        try:
            while True:
                await self.tend_once()
                await asyncio.sleep(TEND_EVERY_S)
        finally:
            self.ending.set()

    async def tend_once(self) -> None:
        now_s = self._clock()
        idle = [
            incoming
            for incoming in list(self.journal.ledger.takes.values())
            if incoming.closing is not None or now_s - incoming.touched_s > self.bounds.idle_s
        ]
        takes = self.journal.ledger.takes
        for key in [key for key, lock in self._locks.items() if key not in takes and not lock.locked()]:
            del self._locks[key]  # of devices, and of takes that are gone: nobody waits at one that is not locked
        for failure in await asyncio.gather(*(self._end(incoming) for incoming in idle), return_exceptions=True):
            if isinstance(failure, Exception) and not isinstance(failure, Refused):
                self._on_event(f"a defect of tinyops: {failure!r}"[:300])

    async def _end(self, incoming: Incoming) -> None:
        if incoming.closing is None:
            self._on_event(f"{incoming.opening.device} {incoming.name}: nothing came for {self.bounds.idle_s:g} s")
        is_file = incoming.opening.encoding == "file"  # of which a part is worth nothing
        if (is_file or not incoming.bytes) and incoming.closing is None:
            await self.drop(incoming)
        else:
            await self.close(incoming, Closing())

    def _check_space(self) -> None:
        now_s = self._clock()
        if now_s - self._looked_s >= SPACE_EVERY_S:
            self._looked_s, self._free_bytes = now_s, self.journal.free_bytes()
        check_space(self.journal.ledger, self.bounds, self._free_bytes)

    async def _differs(self, incoming: Incoming, offset: int, known: bytes) -> bool:
        path = self.journal.file_of(incoming)
        try:
            return await run_in_threadpool(read_at, path, len(known), offset) != known
        except FileNotFoundError:
            raise Refused(409, "the take is closed") from None

    def _check_there(self, incoming: Incoming) -> None:
        if self.journal.ledger.takes.get(incoming.take) is not incoming:
            raise Refused(404, "no such take any more")

    async def _check_closing(self, incoming: Incoming, closing: Closing) -> None:
        """Raises Refused where the sender has other bytes."""
        facts = {"offset": incoming.bytes}
        if closing.bytes is not None and closing.bytes != incoming.bytes:
            raise Refused(409, f"{incoming.bytes:,} bytes came, {closing.bytes:,} were announced", facts=facts)
        if closing.sha256 is not None:
            found = await run_in_threadpool(self._digest, incoming)
            if found != closing.sha256:
                raise Refused(422, f"what came has the digest {found}, {closing.sha256} was announced", facts=facts)

    def _digest(self, incoming: Incoming) -> str:
        digest, left = hashlib.sha256(), incoming.bytes
        with self.journal.file_of(incoming).open("rb") as stream:
            while left and (piece := stream.read(min(left, DIGEST_PIECE_BYTES))):
                digest.update(piece)
                left -= len(piece)
        return f"sha256:{digest.hexdigest()}"


def _number(name: str) -> int:
    try:
        return int(name, 16)
    except ValueError:
        raise Refused(404, "no such take") from None
