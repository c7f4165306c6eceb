"""All takes that a receiver has in hand, changed by records alone: what runs and what recovers are one function."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from tinyops.collect.wire import GAPS_MAX, Closing, Opening, Receipt
from tinyops.documents import Strict
from tinyops.receiver.recordings.records import Kind, Record

DONE_MAX = 10_000  # receipts that are kept for those who ask again


class Standing(Strict):
    """An open take as a snapshot holds it."""

    take: str
    opening: Opening
    bytes: int
    gaps: tuple[tuple[int, int], ...] = ()
    closing: Closing | None = None


class Snapshot(Strict):
    takes: tuple[Standing, ...] = ()
    done: tuple[Receipt, ...] = ()


@dataclass
class Incoming:
    """A take that is coming in: `bytes` of it are on the disk. `gaps`: before which frame how many are missing."""

    take: int
    opening: Opening
    bytes: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    closing: Closing | None = None
    touched_s: float = 0.0

    @property
    def name(self) -> str:
        return take_name(self.take)

    @property
    def lost(self) -> int:
        return sum(count for _, count in self.gaps)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.opening.dataset, self.opening.device, self.opening.called


def take_name(take: int) -> str:
    return f"{take:016x}"


class Ledger:
    """`takes` in hand by number, `done` ones by name, the newest last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.takes: dict[int, Incoming] = {}
        self.done: OrderedDict[str, Receipt] = OrderedDict()
        self._named: dict[tuple[str, str, str], Receipt] = {}  # of `done`: looked up while another thread adds to it
        self.by_name: dict[tuple[str, str, str], int] = {}  # takes that their device gave a name
        self.of_device: Counter[tuple[str, str]] = Counter()
        self.bytes = 0

    def apply(self, record: Record) -> None:
        """Records that make no sense are passed over: they were written by nobody who runs."""
        if record.kind == Kind.SNAPSHOT:
            self._restore(Snapshot.model_validate_json(record.data))
        elif record.kind == Kind.OPEN and record.take not in self.takes:
            self._add(Incoming(record.take, Opening.model_validate_json(record.data)))
        elif (incoming := self.takes.get(record.take)) is not None:
            self._change(incoming, record)

    def snapshot(self) -> bytes:
        """All that `apply` needs of what was before."""
        standing = tuple(
            Standing(take=i.name, opening=i.opening, bytes=i.bytes, gaps=tuple(i.gaps), closing=i.closing)
            for i in self.takes.values()
        )
        return Snapshot(takes=standing, done=tuple(self.done.values())).model_dump_json().encode()

    def named(self, opening: Opening) -> Incoming | None:
        """The take in hand that its device calls so."""
        take = self.by_name.get((opening.dataset, opening.device, opening.called)) if opening.called else None
        return None if take is None else self.takes.get(take)

    def receipt_of(self, opening: Opening) -> Receipt | None:
        """Of the take that its device called so, the newest."""
        return self._named.get((opening.dataset, opening.device, opening.called))

    def shorten(self, incoming: Incoming, size: int) -> None:
        """Of a take whose end the disk has lost."""
        self.bytes -= incoming.bytes - size
        incoming.bytes = size

    def _restore(self, snapshot: Snapshot) -> None:
        self.takes.clear()
        self.done.clear()
        self._named.clear()
        self.by_name.clear()
        self.of_device.clear()
        self.bytes = 0
        for one in snapshot.takes:
            self._add(Incoming(int(one.take, 16), one.opening, one.bytes, list(one.gaps), one.closing))
        for receipt in snapshot.done:
            self._end(receipt)

    def _add(self, incoming: Incoming) -> None:
        incoming.touched_s = self._clock()
        self.takes[incoming.take] = incoming
        self.of_device[incoming.key[:2]] += 1
        self.bytes += incoming.bytes
        if incoming.opening.called:
            self.by_name[incoming.key] = incoming.take

    def _change(self, incoming: Incoming, record: Record) -> None:
        incoming.touched_s = self._clock()
        if record.kind == Kind.CHUNK:
            self._append(incoming, record)
        elif record.kind == Kind.CLOSE:
            incoming.closing = Closing.model_validate_json(record.data)
        elif record.kind in (Kind.DONE, Kind.DROP):
            self._remove(incoming)
            if record.kind == Kind.DONE:
                self._end(Receipt.model_validate_json(record.data))

    def _end(self, receipt: Receipt) -> None:
        self.done[receipt.take] = receipt
        if receipt.name:
            self._named[_key(receipt)] = receipt
        while len(self.done) > DONE_MAX:
            _, oldest = self.done.popitem(last=False)
            if self._named.get(_key(oldest)) is oldest:
                del self._named[_key(oldest)]

    def _append(self, incoming: Incoming, record: Record) -> None:
        if record.offset != incoming.bytes or incoming.closing is not None:
            return
        if record.lost:
            self._lose(incoming, record.lost)
        incoming.bytes += len(record.data)
        self.bytes += len(record.data)

    def _lose(self, incoming: Incoming, count: int) -> None:
        """Before the frame that is due; beyond what a take holds of gaps, with those of the last one."""
        at, gaps = incoming.bytes // incoming.opening.frame_bytes, incoming.gaps
        if gaps and (gaps[-1][0] == at or len(gaps) >= GAPS_MAX):
            gaps[-1] = (gaps[-1][0], gaps[-1][1] + count)
        else:
            gaps.append((at, count))

    def _remove(self, incoming: Incoming) -> None:
        del self.takes[incoming.take]
        self.bytes -= incoming.bytes
        self.of_device[incoming.key[:2]] -= 1
        self.of_device += Counter()
        if self.by_name.get(incoming.key) == incoming.take:
            del self.by_name[incoming.key]


def _key(receipt: Receipt) -> tuple[str, str, str]:
    return receipt.dataset, receipt.device, receipt.name
