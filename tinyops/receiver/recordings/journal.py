"""What makes takes durable: one journal for all of them, and a file of each take's bytes that follows it.

One thread writes. It gathers what comes within `GATHER_S` and makes it durable by one fsync of the journal, so that
hundreds of devices cost tens of fsyncs a second. The files of takes are written at once too, but made durable only when
a segment of the journal is full and begins anew with a snapshot: then the old segment goes.

    lock
    journal/00000000000000000001.log
    open/0123456789abcdef
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyops.errors import ToolError
from tinyops.files import MIB, sync_folder, write_atomic, writing
from tinyops.receiver.guard import Refused
from tinyops.receiver.recordings.disk import MODE, lock_folder, write_all, write_at
from tinyops.receiver.recordings.ledger import Incoming, take_name
from tinyops.receiver.recordings.records import DATA_LIMIT_BYTES, Kind, Record
from tinyops.receiver.recordings.recovery import Recovered, recovered

GATHER_S = 0.02  # how long a record waits for others; no longer once GATHER_BYTES wait
GATHER_BYTES = 32 * 1024
WAITING_LIMIT_BYTES = 16 * MIB
SEGMENT_BYTES = 64 * MIB
FULL_S, FAILING_S = 60.0, 30.0  # when who was refused may ask again


@dataclass
class _Waiting:
    record: Record
    future: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop
    error: Exception | None = None


@dataclass
class Counts:
    """What the writer did since it began."""

    fsyncs: int = 0
    records: int = 0
    bytes: int = 0
    fsync_s: float = 0.0
    fsync_most_s: float = 0.0


class Journal:
    """The only writer of its folder. `append` is awaited: once it returns, the record is on the disk."""

    def __init__(
        self,
        root: Path,
        on_event: Callable[[str], None] = lambda _: None,
        *,
        gather_s: float = GATHER_S,
        segment_bytes: int = SEGMENT_BYTES,
        waiting_limit_bytes: int = WAITING_LIMIT_BYTES,
    ) -> None:
        """Recovers what an earlier one had accepted. Raises ToolError for a folder that another one uses, or that
        cannot be written."""
        self.root, self.counts = root, Counts()
        self._gather_s, self._segment_bytes, self._limit = gather_s, segment_bytes, waiting_limit_bytes
        self._waiting: deque[_Waiting] = deque()
        self.waiting_bytes = 0
        self._changed = threading.Condition()
        self._ending = False
        self.trouble = ""  # why nothing is taken any more
        with writing(root):
            for folder in (self._segments, self._spool):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock = lock_folder(root)
            try:
                found = recovered(root, on_event)
                self.ledger, self._dirty = found.ledger, set(found.ledger.takes)
                self._start(found)
            except BaseException:
                os.close(self._lock)
                raise
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    @property
    def _segments(self) -> Path:
        return self.root / "journal"

    @property
    def _spool(self) -> Path:
        return self.root / "open"

    def file_of(self, incoming: Incoming) -> Path:
        """The bytes of a take, of which its first `bytes` count."""
        return self._spool / incoming.name

    def bytes_of(self, incoming: Incoming) -> bytes:
        """Those that count."""
        with self.file_of(incoming).open("rb") as stream:
            return stream.read(incoming.bytes)

    def free_bytes(self) -> int:
        """What the disk still has for it."""
        status = os.statvfs(self.root)
        return status.f_bavail * status.f_frsize

    async def append(self, record: Record) -> None:
        """Returns when the record is on the disk and in the ledger. Raises Refused, and nothing is changed then."""
        self.check()
        loop = asyncio.get_running_loop()
        waiting = _Waiting(record, loop.create_future(), loop)
        waiting.future.add_done_callback(lambda done: done.cancelled() or done.exception())  # who waited may be gone
        with self._changed:
            self._waiting.append(waiting)
            self.waiting_bytes += record.size
            self._changed.notify()
        await asyncio.shield(waiting.future)

    @property
    def is_busy(self) -> bool:
        """Half of what may wait does: who can wait should."""
        return self.waiting_bytes >= self._limit // 2

    def check(self) -> None:
        """Raises Refused where nothing more can be taken now."""
        if self.trouble or self._ending:
            raise Refused.busy(503, self.trouble or "the receiver ends", FAILING_S)
        if self.waiting_bytes >= self._limit:
            raise Refused.busy(503, "the disk is slow: send it later")

    def close(self) -> None:
        """Writes what waits, and ends."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()
        os.close(self._file)
        os.close(self._lock)

    # -- The thread that writes --

    def _work(self) -> None:
        while batch := self._next():
            try:
                self._write(batch)
            except Exception as error:  # after a failed fsync nobody knows what is on the disk: the next start looks
                said = error.strerror if isinstance(error, OSError) else f"a defect of tinyops: {error!r}"[:200]
                self.trouble = self.trouble or f"the disk fails: {said}"
                for one in batch:
                    one.error = error
            self._tell(batch)

    def _next(self) -> list[_Waiting]:
        """What has come together; empty at the end."""
        with self._changed:
            while not self._waiting and not self._ending:
                self._changed.wait()
            until_s = time.monotonic() + self._gather_s
            while not self._ending and self.waiting_bytes < GATHER_BYTES:
                if (left_s := until_s - time.monotonic()) <= 0:
                    break
                self._changed.wait(left_s)
            batch = list(self._waiting)
            self._waiting.clear()
            return batch

    def _tell(self, batch: Sequence[_Waiting]) -> None:
        with self._changed:
            self.waiting_bytes -= sum(one.record.size for one in batch)
        for loop in {one.loop for one in batch}:
            mine = [one for one in batch if one.loop is loop]
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it who waited
                loop.call_soon_threadsafe(_resolve, mine)

    def _write(self, batch: Sequence[_Waiting]) -> None:
        """Raises OSError where the journal cannot be trusted any more."""
        if self.trouble:
            raise OSError(errno.EIO, self.trouble)
        for one in batch:
            try:
                self._follow(one.record)
            except OSError as error:
                one.error = error
        good = [one for one in batch if one.error is None]
        try:
            write_all(self._file, b"".join(one.record.encoded() for one in good), self._place)
        except OSError as error:
            os.ftruncate(self._file, self._place)
            for one in good:
                one.error = error
            return
        self._sync(self._file)
        self._place += sum(one.record.size for one in good)
        for one in good:
            self.ledger.apply(one.record)
            self._leave(one.record)
        self.counts.records += len(good)
        self.counts.bytes += sum(one.record.size for one in good)
        if self._place > self._segment_bytes:
            self._turn()

    def _sync(self, file: int) -> None:
        begun_s = time.monotonic()
        os.fdatasync(file)
        took_s = time.monotonic() - begun_s
        self.counts.fsyncs += 1
        self.counts.fsync_s += took_s
        self.counts.fsync_most_s = max(self.counts.fsync_most_s, took_s)

    def _follow(self, record: Record) -> None:
        """The take's own file; beyond what the journal has it counts for nothing."""
        if record.kind == Kind.OPEN or (record.kind == Kind.CHUNK and record.data):
            data = record.data if record.kind == Kind.CHUNK else b""
            write_at(self._spool / take_name(record.take), data, record.offset)
            self._dirty.add(record.take)

    def _leave(self, record: Record) -> None:
        if record.kind in (Kind.DONE, Kind.DROP):
            self._dirty.discard(record.take)
            (self._spool / take_name(record.take)).unlink(missing_ok=True)

    def _turn(self) -> None:
        """A new segment, and the files of takes made durable: the old segment is not needed any more. A disk that is
        full is asked again after the next batch."""
        old, number = self._file, _last_number(self._segments) + 1
        try:
            self._begin(number)
        except ToolError:
            return
        os.close(old)

    def _start(self, found: Recovered) -> None:
        """A new segment; on a disk that is full, the one that there is goes on. Raises ToolError."""
        try:
            self._begin(_last_number(self._segments) + 1)
        except ToolError:
            if found.segment is None:
                raise
            self._file, self._place = os.open(found.segment, os.O_WRONLY | os.O_CLOEXEC), found.end
            os.ftruncate(self._file, found.end)

    def _begin(self, number: int) -> None:
        """Raises ToolError where the snapshot cannot be written; the segment before it is then as it was."""
        path = self._segments / f"{number:020}.log"
        snapshot = Record(Kind.SNAPSHOT, data=self.ledger.snapshot()).encoded()
        if len(snapshot) > DATA_LIMIT_BYTES:
            raise ToolError(f"{path}: all takes together are {len(snapshot):,} bytes, which nobody would read back")
        for take in self._dirty:
            with contextlib.suppress(FileNotFoundError):
                self._sync_path(self._spool / take_name(take))
        sync_folder(self._spool)
        write_atomic(path, snapshot, mode=MODE)
        self._file, self._place = os.open(path, os.O_WRONLY | os.O_CLOEXEC), len(snapshot)
        self._dirty.clear()
        for old in self._segments.glob("*"):
            if old != path:
                old.unlink(missing_ok=True)

    def _sync_path(self, path: Path) -> None:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._sync(file)
        finally:
            os.close(file)


def _resolve(batch: Sequence[_Waiting]) -> None:
    for one in batch:
        if one.future.done():
            continue
        if one.error is None:
            one.future.set_result(None)
        else:
            one.future.set_exception(_refusal(one.error))


def _refusal(error: Exception) -> Refused:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Refused.busy(507, "the disk is full: keep what you have", FULL_S)
    return Refused.busy(503, "the disk fails: keep what you have", FAILING_S)


def _last_number(folder: Path) -> int:
    return max((int(path.stem) for path in folder.glob("*.log") if path.stem.isdecimal()), default=0)
