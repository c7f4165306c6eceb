"""Closed takes into their datasets, those that wait together in one change of an index.

What cannot be a recording is moved to `refused/`, with its facts; a disk that is full is asked again later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from tinyops.collect.wire import Receipt
from tinyops.datasets.adding import Addition
from tinyops.errors import SpecError, TinyopsError
from tinyops.files import digest_bytes, write_atomic
from tinyops.receiver.guard import Refused
from tinyops.receiver.recordings.building import Built
from tinyops.receiver.recordings.journal import Journal
from tinyops.receiver.recordings.ledger import Incoming
from tinyops.receiver.recordings.reader import Reader
from tinyops.receiver.recordings.records import Kind, Record
from tinyops.receiver.recordings.shelves import Shelves

TOGETHER_MAX = 64  # takes in one change of an index
TOGETHER_BYTES = 32 * 1024 * 1024
LATER_S = 30.0


@dataclass
class _Kept:
    """A closed take on its way; `receipt` once it is known what becomes of it."""

    incoming: Incoming
    receipt: Receipt


class Keeper:
    """Keeps one batch after the other. Used from one event loop."""

    def __init__(self, journal: Journal, shelves: Shelves, on_event: Callable[[str], None], take_bytes: int) -> None:
        self._journal, self._shelves, self._on_event = journal, shelves, on_event
        self._reader = Reader(journal.root / "reading", take_bytes)
        self._waiting: dict[int, Incoming] = {}
        self._futures: dict[int, asyncio.Future[Receipt]] = {}
        self._work: asyncio.Task[None] | None = None
        self.kept = self.refused = 0

    def close(self) -> None:
        self._reader.close()

    async def keep(self, incoming: Incoming) -> Receipt:
        """Raises Refused where it cannot be kept now; it is tried again."""
        if (done := self._journal.ledger.done.get(incoming.name)) is not None:
            return done
        future = self._futures.get(incoming.take)
        if future is None:
            future = self._futures[incoming.take] = asyncio.get_running_loop().create_future()
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._waiting[incoming.take] = incoming
            if self._work is None or self._work.done():
                self._work = asyncio.create_task(self._keep_all())
        return await asyncio.shield(future)

    async def _keep_all(self) -> None:
        while self._waiting:
            batch = self._batch()
            error: Exception | None = None
            try:
                kept = await run_in_threadpool(self._put, batch)
                for one in kept:
                    data = one.receipt.model_dump_json().encode()
                    await self._journal.append(Record(Kind.DONE, one.incoming.take, data))
                    self._tell(one)
            except Refused as refused:
                error = refused
            except TinyopsError as failure:
                self._on_event(f"{failure.message}: tried again")
                error = Refused.busy(507, "the dataset cannot be written: what you sent is safe", LATER_S)
            except Exception as defect:
                self._on_event(f"a defect of tinyops: {type(defect).__name__}: {defect}")
                error = Refused.busy(503, "the take cannot be kept: what you sent is safe", LATER_S)
            for incoming in batch:
                self._resolve(incoming, error)

    def _batch(self) -> list[Incoming]:
        """Of one dataset, in the order in which they came, within bounds."""
        first = next(iter(self._waiting.values()))
        batch: list[Incoming] = []
        size = 0
        for incoming in self._waiting.values():
            size += incoming.bytes
            if batch and (len(batch) >= TOGETHER_MAX or size > TOGETHER_BYTES):
                break
            if incoming.opening.dataset == first.opening.dataset:
                batch.append(incoming)
        for incoming in batch:
            del self._waiting[incoming.take]
        return batch

    def _resolve(self, incoming: Incoming, error: Exception | None) -> None:
        future = self._futures.pop(incoming.take)
        receipt = self._journal.ledger.done.get(incoming.name)
        if receipt is not None:
            future.set_result(receipt)
        else:
            future.set_exception(error or Refused.busy(503, "the take cannot be kept now", LATER_S))

    def _tell(self, one: _Kept) -> None:
        opening, receipt = one.incoming.opening, one.receipt
        what = f"refused: {receipt.problem}" if receipt.problem else f"kept as {receipt.sha256}"
        self._on_event(f"{opening.dataset} {opening.device} {receipt.take}: {one.incoming.bytes:,} bytes, {what}")
        self.kept += not receipt.problem
        self.refused += bool(receipt.problem)

    # -- In a thread --

    def _put(self, batch: Sequence[Incoming]) -> list[_Kept]:
        """Raises TinyopsError where the dataset cannot be written: all of them wait then."""
        dataset = batch[0].opening.dataset
        try:
            signal = self._shelves.signal(dataset)
        except Refused as gone:
            return [self._refuse(incoming, gone.sentence) for incoming in batch]
        built: list[tuple[Incoming, Built]] = []
        done: list[_Kept] = []
        for incoming in batch:
            try:
                built.append((incoming, self._reader.read(incoming, self._journal.file_of(incoming), signal)))
            except SpecError as error:
                done.append(self._refuse(incoming, error.message))
        if built:
            done += self._add_all(dataset, built)
        return done

    def _add_all(self, dataset: str, built: Sequence[tuple[Incoming, Built]]) -> list[_Kept]:
        """All at once; where that cannot be, each alone, so that one that no index can hold keeps no other waiting."""
        try:
            return self._add(dataset, built)
        except SpecError:
            self._shelves.put(dataset, ())  # an index that is wrong itself says so here, and all of them wait
        done = []
        for one in built:
            try:
                done += self._add(dataset, [one])
            except SpecError as error:
                done.append(self._refuse(one[0], error.message))
        return done

    def _add(self, dataset: str, built: Sequence[tuple[Incoming, Built]]) -> list[_Kept]:
        additions: list[Addition] = [one.addition for _, one in built]
        self._shelves.put(dataset, additions)
        return [
            _Kept(
                incoming,
                Receipt(
                    **_whose(incoming),
                    sha256=digest_bytes(one.addition.data),
                    frames=one.frames,
                    lost=one.lost,
                    cut_bytes=one.cut_bytes,
                ),
            )
            for incoming, one in built
        ]

    def _refuse(self, incoming: Incoming, problem: str) -> _Kept:
        folder = self._journal.root / "refused"
        receipt = Receipt(**_whose(incoming), problem=problem[:500])
        write_atomic(folder / incoming.name, self._journal.bytes_of(incoming))
        facts = incoming.opening.model_dump_json(indent=1).encode() + b"\n"
        write_atomic(folder / f"{incoming.name}.json", facts)
        return _Kept(incoming, receipt)


def _whose(incoming: Incoming) -> dict[str, str]:
    opening = incoming.opening
    return {"take": incoming.name, "dataset": opening.dataset, "device": opening.device, "name": opening.called}
