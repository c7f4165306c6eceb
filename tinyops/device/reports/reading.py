"""Reports as they are read: every one hostile and bounded, verified, and set beside what others say of the device."""

from __future__ import annotations

import contextlib
import gc
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tinyops.device.reports.enrolment import Enrolment
from tinyops.device.reports.memory import Memory
from tinyops.errors import RemoteError
from tinyops.manifest.fields import read_time
from tinyops.manifest.report import (
    REPORT_LIMIT_BYTES,
    REPORTS_MAX,
    DeviceReport,
    UnreadableReport,
    look_at_report,
    report_name,
)

TOTAL_LIMIT_BYTES = 1024 * 1024 * 1024
BATCH_BYTES = 64 * 1024 * 1024
TWO_REPORTERS = timedelta(hours=1)  # two who both heard of a device within that are two at once
FRESH = timedelta(hours=72)


@dataclass(frozen=True)
class Found:
    """A file where reports lie: its name below there, and its bytes or why there are none."""

    name: str
    data: bytes = b""
    reason: str = ""


def folder_files(root: Path) -> Iterator[Found]:
    """`*/*.json` below a folder, in order; links and other than plain files are named, not opened."""
    count = total = 0
    for folder in _entries(root):
        if not folder.is_dir(follow_symlinks=False):
            continue
        for entry in _entries(Path(folder.path)):
            if entry.name.startswith(".") or not entry.name.endswith(".json"):
                continue
            found = _read(f"{folder.name}/{entry.name}", entry)
            count, total = count + 1, total + len(found.data)
            if count > REPORTS_MAX or total > TOTAL_LIMIT_BYTES:
                yield Found(folder.name, reason=f"after {count - 1:,} reports of {total:,} bytes no more are read")
                return
            yield found


def believed_reports(
    found: Iterable[Found], enrolment: Enrolment, *, root: Path, memory: Memory | None = None
) -> tuple[list[DeviceReport], list[UnreadableReport]]:
    """Every report that may be believed, of a device several where several report it, and each that counts for nothing.

    `root` is where the files lie, to name them by.
    """
    memory, signers = memory or Memory(), dict[str, str]()
    reports: list[DeviceReport] = []
    unreadable: list[UnreadableReport] = []
    with _many_objects():
        for batch in _batches(found):
            memory.look_ahead((file.name, file.data) for file in batch if not file.reason)
            for file in batch:
                try:
                    reports.append(_believed(file, enrolment, memory, signers, str(root / file.name)))
                except RemoteError as error:
                    unreadable.append(UnreadableReport(root / file.name, error.message))
        memory.save()
    return reports, unreadable


def _batches(found: Iterable[Found]) -> Iterator[list[Found]]:
    """As many files at a time as may lie in memory."""
    batch: list[Found] = []
    size = 0
    for file in found:
        batch.append(file)
        size += len(file.data)
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    yield batch


def settle(
    reports: Iterable[DeviceReport], now: datetime
) -> tuple[dict[tuple[str, str], DeviceReport], dict[tuple[str, str], str]]:
    """The newest report of each device, by fleet and name; and of some devices, why what is said of them cannot all be
    true."""
    newest: dict[tuple[str, str], DeviceReport] = {}
    several: dict[tuple[str, str], list[DeviceReport]] = {}
    for report in reports:
        name = (report.fleet, report.device)
        known = newest.setdefault(name, report)
        if known is not report:
            several.setdefault(name, [known]).append(report)
    for name, said in several.items():
        newest[name] = max(said, key=heard)
    return newest, {name: why for name, said in several.items() if (why := _dispute(said, newest[name], now))}


@contextlib.contextmanager
def _many_objects() -> Iterator[None]:
    """Without the search for cycles, which among this many objects that stay takes longer than reading them."""
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.freeze()  # nor afterwards: a command that reads reports ends soon
            gc.enable()


def heard(report: DeviceReport) -> str:
    """When its signer last heard of the device."""
    return report.seen or report.time


def _believed(file: Found, enrolment: Enrolment, memory: Memory, signers: dict[str, str], where: str) -> DeviceReport:
    """Raises RemoteError with the reason why a file counts for nothing."""
    if file.reason:
        raise RemoteError(file.reason)
    report = look_at_report(file.data, where=where)
    if report_name(report.fleet, report.device, report.reporter) != file.name:
        speaks = f", told by {report.reporter}" if report.reporter else ""
        raise RemoteError(f"is the report of {report.device} in fleet {report.fleet}{speaks}")
    if reason := enrolment.objection(report):
        raise RemoteError(reason)
    if reason := memory.verify(file.name, file.data, report, where=where):
        raise RemoteError(reason)
    if report.reporter and signers.setdefault(report.reporter, report.public_key) != report.public_key:
        raise RemoteError(f"{report.reporter} speaks for others with another key: one of them is not {report.reporter}")
    return report


def _dispute(reports: Sequence[DeviceReport], newest: DeviceReport, now: datetime) -> str:
    """Why several reports of a device are not of one; empty where it moved from one gateway to another."""
    fresh = [report for report in reports if now - read_time(heard(report)) <= FRESH]
    chips = sorted({report.silicon for report in fresh if report.silicon})
    if len(chips) > 1:
        return f"{len(chips)} boards have its name: chips {', '.join(chips[:3])}"
    since = read_time(heard(newest)) - TWO_REPORTERS
    tell = sorted(report.reporter or report.device for report in reports if read_time(heard(report)) >= since)
    return f"{' and '.join(tell[:3])} report it at once" if len(tell) > 1 else ""


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RemoteError(f"{folder}: cannot be read: {error.strerror}") from error


def _read(name: str, entry: os.DirEntry[str]) -> Found:
    try:
        descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return Found(name, reason="is no plain file")
            # As much as it holds: room for the most a report may be, ten thousand times, takes longer than reading.
            data = os.read(descriptor, min(status.st_size, REPORT_LIMIT_BYTES) + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        return Found(name, reason=f"cannot be read: {error.strerror}")
    if len(data) > REPORT_LIMIT_BYTES:
        return Found(name, reason=f"larger than {REPORT_LIMIT_BYTES:,} bytes")
    return Found(name, data)
