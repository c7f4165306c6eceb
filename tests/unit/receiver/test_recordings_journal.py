"""The journal of takes: what was acknowledged is there after kills, torn files, full and failing disks."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import resource
import shutil
import stat
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from fakes.collecting import FACTS
from fakes.faults import count_faults
from fakes.power import cut_at
from tinyops.collect.wire import Closing, Opening, Receipt
from tinyops.errors import ToolError
from tinyops.receiver.guard import Refused
from tinyops.receiver.recordings.journal import GATHER_BYTES, Journal
from tinyops.receiver.recordings.ledger import Ledger
from tinyops.receiver.recordings.records import HEADER, Kind, Record, read_records

OPENING = Opening.model_validate(FACTS)
OPEN = OPENING.model_dump_json().encode()


@contextmanager
def journal(root: Path, said: list[str] | None = None, **options: float) -> Iterator[Journal]:
    found = Journal(root, (said if said is not None else []).append, **{"gather_s": 0.0, **options})  # type: ignore[arg-type]
    try:
        yield found
    finally:
        found.close()


def write(root: Path, *records: Record) -> None:
    with journal(root) as found:
        append(found, *records)


def append(found: Journal, *records: Record) -> None:
    """One after the other."""

    async def all_of_them() -> None:
        for record in records:
            await found.append(record)

    asyncio.run(all_of_them())


def held(root: Path, said: list[str] | None = None) -> dict[int, bytes]:
    """What a new receiver finds: the bytes of each take."""
    with journal(root, said) as found:
        takes = found.ledger.takes
        return {take: found.file_of(takes[take]).read_bytes()[: takes[take].bytes] for take in takes}


def chunk(take: int, offset: int, data: bytes, lost: int = 0) -> Record:
    return Record(Kind.CHUNK, take, data, offset, lost)


def test_what_was_appended_is_there_again(tmp_path: Path) -> None:
    write(
        tmp_path, Record(Kind.OPEN, 1, OPEN), Record(Kind.OPEN, 2, OPEN), chunk(1, 0, b"abcd"), chunk(1, 4, b"efgh", 3)
    )
    with journal(tmp_path) as found:
        assert (found.ledger.takes[1].bytes, found.ledger.takes[1].gaps) == (8, [(1, 3)])
        append(found, Record(Kind.CLOSE, 1, Closing(label="walk").model_dump_json().encode()), chunk(2, 0, b"ij"))
    with journal(tmp_path) as found:
        assert found.ledger.takes[1].closing == Closing(label="walk")
        receipt = Receipt(take=f"{1:016x}", dataset="wrist", device="d-1", sha256="x")
        append(found, Record(Kind.DONE, 1, receipt.model_dump_json().encode()), Record(Kind.DROP, 2))
        assert [path.name for path in (tmp_path / "open").iterdir()] == []
    with journal(tmp_path) as found:
        assert (found.ledger.takes, list(found.ledger.done.values()), found.ledger.bytes) == ({}, [receipt], 0)


def test_many_takes_share_an_fsync(tmp_path: Path) -> None:
    with journal(tmp_path, gather_s=0.05) as found:

        async def together(records: Sequence[Record]) -> None:
            await asyncio.gather(*(found.append(record) for record in records))

        asyncio.run(together([Record(Kind.OPEN, take, OPEN) for take in range(200)]))
        before = found.counts.fsyncs
        asyncio.run(together([chunk(take, 0, bytes(600)) for take in range(200)]))
        assert found.counts.fsyncs - before <= 2
    assert held(tmp_path) == {take: bytes(600) for take in range(200)}


def test_a_record_waits_for_others_until_there_are_enough(tmp_path: Path) -> None:
    with journal(tmp_path, gather_s=600) as found:

        async def push() -> None:
            first = asyncio.ensure_future(found.append(Record(Kind.OPEN, 1, OPEN)))
            await asyncio.sleep(0.05)
            assert not first.done()
            await asyncio.gather(first, found.append(chunk(1, 0, bytes(GATHER_BYTES))))

        before = found.counts.fsyncs
        asyncio.run(push())
        assert found.counts.fsyncs - before == 1


class Power:
    """What of each file would be there after a loss of power: what was in it when it was last made durable."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._durable: dict[int, bytes] = {}
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._syncing(getattr(os, name)))

    def _syncing(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def synced(file: int) -> None:
            real(file)
            if not stat.S_ISDIR(os.fstat(file).st_mode):
                self._durable[os.fstat(file).st_ino] = Path(f"/proc/self/fd/{file}").read_bytes()

        return synced

    def lose(self, root: Path, copy: Path) -> None:
        for path in root.rglob("*"):
            if path.is_file() and path.name != "lock":
                place = copy / path.relative_to(root)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(self._durable.get(path.stat().st_ino, b""))


@pytest.mark.faults
def test_after_a_loss_of_power_all_that_was_acknowledged_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that was not made durable is gone: after each chunk, over several segments, and after new starts."""
    power, root, tried = Power(monkeypatch), tmp_path / "root", 0
    write(root, Record(Kind.OPEN, 1, OPEN))
    for begin in range(0, 40, 10):
        with journal(root, segment_bytes=1500) as found:
            for at in range(begin, begin + 10):
                append(found, chunk(1, 300 * at, bytes([at]) * 300))
                copy = tmp_path / f"after-{at}"
                power.lose(root, copy)
                assert held(copy) == {1: b"".join(bytes([n]) * 300 for n in range(at + 1))}
                tried += 1
    count_faults("losses of power under the journal of takes", tried)


def test_a_long_journal_begins_anew_and_loses_nothing(tmp_path: Path) -> None:
    with journal(tmp_path, segment_bytes=5000) as found:
        append(found, Record(Kind.OPEN, 1, OPEN), Record(Kind.OPEN, 2, OPEN))
        for at in range(0, 40_000, 400):
            append(found, chunk(1 + at // 400 % 2, at // 800 * 400, bytes([at // 400 % 251]) * 400))
        assert found.counts.bytes > 40_000
        names = [path.name for path in (tmp_path / "journal").iterdir()]
        assert len(names) == 1
        assert int(names[0].partition(".")[0]) > 5
        assert (tmp_path / "journal" / names[0]).stat().st_size < 10_000
    found_bytes = held(tmp_path)
    assert {take: len(data) for take, data in found_bytes.items()} == {1: 20_000, 2: 20_000}
    assert found_bytes[1] == b"".join(bytes([at % 251]) * 400 for at in range(0, 100, 2))


@pytest.mark.faults
def test_power_cut_at_any_step_on_the_disk(tmp_path: Path) -> None:
    """At each operation of files while a journal turns over: what was acknowledged before is there."""
    cuts = 0
    while True:
        root, told = tmp_path / f"at-{cuts}", tmp_path / f"told-{cuts}"
        told.touch()
        if not cut_at(lambda root=root, told=told: _work(root, told), root, cuts + 1):  # type: ignore[misc]
            break
        acknowledged = told.stat().st_size
        assert len(held(root).get(1, b"")) >= acknowledged
        assert held(root).get(1, b"") == b"".join(bytes([at]) * 300 for at in range(8))[: len(held(root).get(1, b""))]
        shutil.rmtree(root)
        cuts += 1
    assert cuts > 20
    count_faults("power cuts of the journal of takes", cuts)


def _work(root: Path, told: Path) -> None:
    with journal(root, segment_bytes=1500) as found, told.open("ab", buffering=0) as said:
        append(found, Record(Kind.OPEN, 1, OPEN))
        for at in range(8):
            append(found, chunk(1, 300 * at, bytes([at]) * 300))
            said.write(bytes(300))


@pytest.mark.faults
def test_a_journal_torn_anywhere_keeps_what_stands_before(tmp_path: Path) -> None:
    """Cut at every byte, and damaged at every byte of its last record."""
    root = tmp_path / "whole"
    write(root, Record(Kind.OPEN, 1, OPEN), chunk(1, 0, b"a" * 10), chunk(1, 10, b"b" * 10))
    (segment,) = (root / "journal").iterdir()
    data = segment.read_bytes()
    ends = [end for _, end in read_records(io.BytesIO(data), len(data))]
    assert len(ends) == 4
    assert ends[-1] == len(data)
    tried = 0
    for cut in range(ends[0], len(data), 7):
        expected = [b"", b"a" * 10, b"a" * 10 + b"b" * 10][sum(cut >= end for end in ends[2:])]
        assert _torn(tmp_path, root, data[:cut]) == ({} if cut < ends[1] else {1: expected}), cut
        tried += 1
    for at in range(ends[2], len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        assert _torn(tmp_path, root, bytes(damaged)) == {1: b"a" * 10}, at
        tried += 1
    for tail in (b"\0" * 4096, b"TJ" + b"\xff" * 4096, os.urandom(4096)):
        assert _torn(tmp_path, root, data + tail) == {1: b"a" * 10 + b"b" * 10}
        tried += 1
    count_faults("journals of takes that are torn", tried)


def _torn(tmp_path: Path, root: Path, data: bytes) -> dict[int, bytes]:
    copy = tmp_path / "torn"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(root, copy)
    (segment,) = (copy / "journal").iterdir()
    segment.write_bytes(data)
    for path in (copy / "open").iterdir():
        path.write_bytes(b"")  # of what a segment holds nothing need be in the file
    said: list[str] = []
    found = held(copy, said)
    whole = list(read_records(io.BytesIO(data), len(data)))[-1][1] == len(data)
    assert ("were never whole" in " ".join(said)) != whole
    return found


def test_records_that_lie_about_their_length_are_none() -> None:
    for head in (HEADER.pack(b"TJ", 2, 0xFFFFFFFF, 1, 0, 0, 0), HEADER.pack(b"TJ", 99, 0, 1, 0, 0, 0), b"TJ", b""):
        assert list(read_records(io.BytesIO(head + bytes(100)), 100 + len(head))) == []


def test_a_journal_of_another_version_is_left_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, Record(Kind.OPEN, 1, OPEN), chunk(1, 0, b"a" * 10))
    (segment,) = (tmp_path / "journal").iterdir()
    data = segment.read_bytes()
    unknown = bytearray(Record(Kind.DROP, 1).encoded())
    unknown[2] = 9
    unknown[-4:] = zlib.crc32(unknown[:-4] + bytes(4)).to_bytes(4, "little")
    later = OPENING.model_dump_json().replace("{", '{"mood":"new",', 1).encode()
    for added in (bytes(unknown), Record(Kind.OPEN, 2, later).encoded(), Record(Kind.SNAPSHOT, data=later).encoded()):
        segment.write_bytes(data + added)
        with pytest.raises(ToolError, match="another version"):
            held(tmp_path)
        assert segment.read_bytes() == data + added
        assert (tmp_path / "open" / f"{1:016x}").read_bytes() == b"a" * 10
    segment.write_bytes(data)
    assert held(tmp_path) == {1: b"a" * 10}


@pytest.mark.parametrize("record", [0, 2])
def test_what_stands_behind_damage_is_kept_aside(tmp_path: Path, record: int) -> None:
    """A bad sector is no power cut: what comes after it was acknowledged."""
    write(tmp_path, Record(Kind.OPEN, 1, OPEN), chunk(1, 0, b"a" * 10), chunk(1, 10, b"b" * 10))
    (segment,) = (tmp_path / "journal").iterdir()
    data = bytearray(segment.read_bytes())
    ends = [end for _, end in read_records(io.BytesIO(data), len(data))]
    data[ends[record] - 1] ^= 1
    segment.write_bytes(data)
    said: list[str] = []
    assert held(tmp_path, said) == ({} if record == 0 else {1: b""})
    (aside,) = (tmp_path / "damaged").iterdir()
    assert str(aside) in said[0]
    assert (aside / segment.name).read_bytes() == data
    assert (aside / "open" / f"{1:016x}").read_bytes() == b"a" * 10 + b"b" * 10


def test_bytes_that_the_disk_lost_are_said_and_the_rest_is_kept(tmp_path: Path) -> None:
    write(tmp_path, Record(Kind.OPEN, 1, OPEN), chunk(1, 0, b"a" * 10))
    held(tmp_path)  # a new segment: its snapshot relies on the file
    (tmp_path / "open" / f"{1:016x}").write_bytes(b"aaaa")
    said: list[str] = []
    assert held(tmp_path, said) == {1: b"aaaa"}
    assert said == ["0000000000000001: 6 bytes are gone from the disk"]


@pytest.mark.faults
def test_a_full_disk_refuses_and_keeps_and_takes_again(tmp_path: Path) -> None:
    """At each of many sizes at which the journal may be stopped: the refused chunk is in no part there."""
    tried = 0
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in range(1000, 4200, 100):
        root = tmp_path / str(room)
        with journal(root) as found:
            append(found, Record(Kind.OPEN, 1, OPEN))
            taken = 0
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
            try:
                with pytest.raises(Refused) as full:
                    while True:
                        append(found, chunk(1, taken, bytes([taken // 300]) * 300))
                        taken += 300
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            assert (full.value.status, full.value.headers) == (507, {"Retry-After": "60"})
            append(found, chunk(1, taken, b"z" * 300))
        assert held(root) == {1: b"".join(bytes([n]) * 300 for n in range(taken // 300)) + b"z" * 300}
        tried += 1
    count_faults("disks that are full under the journal of takes", tried)


@pytest.mark.faults
def test_after_an_fsync_that_failed_nothing_is_taken_until_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    write(tmp_path, Record(Kind.OPEN, 1, OPEN), chunk(1, 0, b"good"))
    with journal(tmp_path) as found:
        monkeypatch.setattr(os, "fdatasync", failing)
        with pytest.raises(Refused, match="the disk fails"):
            append(found, chunk(1, 4, b"lost"))
        monkeypatch.undo()
        with pytest.raises(Refused, match="the disk fails: Input/output error"):
            append(found, chunk(1, 4, b"more"))
        assert found.trouble
        assert found.ledger.takes[1].bytes == 4
    assert held(tmp_path)[1][:4] == b"good"
    count_faults("fsyncs of the journal of takes that fail", 1)


def test_a_slow_disk_is_waited_for_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk stands still: what waits is bounded, more is refused with a time, and then all is there."""
    gate, real = threading.Event(), os.fdatasync
    gate.set()
    with journal(tmp_path, waiting_limit_bytes=2000) as found:
        append(found, Record(Kind.OPEN, 1, OPEN), Record(Kind.OPEN, 2, OPEN), Record(Kind.OPEN, 3, OPEN))
        monkeypatch.setattr(os, "fdatasync", lambda file: (gate.wait(30), real(file))[1])

        async def push() -> None:
            gate.clear()
            waiting = [asyncio.ensure_future(found.append(chunk(take, 0, bytes(1000)))) for take in (1, 2)]
            await asyncio.sleep(0)
            with pytest.raises(Refused, match="the disk is slow") as slow:
                await found.append(chunk(3, 0, bytes(1000)))
            assert (slow.value.status, slow.value.headers) == (503, {"Retry-After": "2"})
            assert not any(one.done() for one in waiting)
            gate.set()
            await asyncio.gather(*waiting)
            await found.append(chunk(3, 0, bytes(1000)))

        asyncio.run(push())
        assert found.waiting_bytes == 0
    assert held(tmp_path) == {take: bytes(1000) for take in (1, 2, 3)}


def test_two_receivers_do_not_share_a_folder(tmp_path: Path) -> None:
    with journal(tmp_path), pytest.raises(ToolError, match="another receiver uses it"):
        Journal(tmp_path)


def test_records_that_make_no_sense_change_nothing() -> None:
    ledger = Ledger(clock=lambda: 0.0)
    for record in (chunk(1, 0, b"x"), Record(Kind.DONE, 1), Record(Kind.CLOSE, 1), Record(Kind.DROP, 1)):
        ledger.apply(record)
    ledger.apply(Record(Kind.OPEN, 1, OPEN))
    ledger.apply(chunk(1, 5, b"a gap"))
    assert (ledger.takes[1].bytes, ledger.bytes) == (0, 0)
    copy = Ledger(clock=lambda: 0.0)
    copy.apply(Record(Kind.SNAPSHOT, data=ledger.snapshot()))
    assert copy.takes == ledger.takes


def test_receipts_are_found_by_name_while_others_come_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread adds them: what is looked up is not walked through."""
    monkeypatch.setattr("tinyops.receiver.recordings.ledger.DONE_MAX", 3)
    ledger = Ledger(clock=lambda: 0.0)
    monkeypatch.setattr(ledger, "done", _Unwalked())
    for number in range(5):
        opening = OPENING.model_copy(update={"take": f"t{number % 4}"})
        receipt = Receipt(take=f"{number:016x}", dataset="wrist", device=OPENING.device, name=opening.called)
        ledger.apply(Record(Kind.OPEN, number, opening.model_dump_json().encode()))
        ledger.apply(Record(Kind.DONE, number, receipt.model_dump_json().encode()))
    found = [ledger.receipt_of(OPENING.model_copy(update={"take": f"t{n}"})) for n in range(4)]
    assert [receipt and receipt.take[-1] for receipt in found] == ["4", None, "2", "3"]


class _Unwalked(OrderedDict[str, Receipt]):
    def __reversed__(self) -> NoReturn:
        raise AssertionError

    __iter__ = values = items = __reversed__  # type: ignore[assignment]


def test_frames_lost_are_counted_however_often_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyops.receiver.recordings.ledger.GAPS_MAX", 2)
    ledger = Ledger(clock=lambda: 0.0)
    ledger.apply(Record(Kind.OPEN, 1, OPEN))
    size = OPENING.frame_bytes
    for number, lost in enumerate((1, 2, 4, 8)):
        ledger.apply(Record(Kind.CHUNK, 1, bytes(size), number * size, lost))
    ledger.apply(Record(Kind.CHUNK, 1, b"x", 4 * size, 16))
    ledger.apply(Record(Kind.CHUNK, 1, b"y", 4 * size + 1, 32))
    assert ledger.takes[1].lost == 63
    assert ledger.takes[1].gaps == [(0, 1), (1, 62)]


def test_a_snapshot_that_nobody_would_read_back_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with journal(tmp_path, segment_bytes=1) as found:
        monkeypatch.setattr("tinyops.receiver.recordings.journal.DATA_LIMIT_BYTES", 10)
        append(found, Record(Kind.OPEN, 1, OPEN), chunk(1, 0, b"a" * 10))
        assert [path.name for path in (tmp_path / "journal").iterdir()] == [f"{1:020}.log"]
        monkeypatch.undo()
    assert held(tmp_path) == {1: b"a" * 10}
