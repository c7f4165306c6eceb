"""Reports on the receiver's disk: verified before they are written, durable before anybody is told so."""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyops.device.reports.directory import DirectorySink
from tinyops.device.reports.kind import Refusal, SealedReport
from tinyops.device.reports.reading import folder_files
from tinyops.errors import RemoteError, ToolError
from tinyops.manifest.report import DeviceReport, check_signature, look_at_report, report_name
from tinyops.receiver.admission import Index, Rules, digest_of, is_enrolled, objection, replay
from tinyops.receiver.guard import Refused
from tinyops.receiver.rates import Rates

BATCH_MAX = 1000
PER_DEVICE_S = 0.2  # reports a second in the long run
DEVICE_BURST = 10.0
FULL_RETRY_S = 300.0


@dataclass(frozen=True)
class Stored:
    """What became of a batch: how many lie there now, and which do not, and why."""

    stored: int
    refused: tuple[Refusal, ...]


@dataclass(frozen=True)
class _Checked:
    sealed: SealedReport
    report: DeviceReport
    digest: str


class ReportStore:
    """One folder, of which this is the only writer. `rules` is asked for each batch, as lists of devices change."""

    def __init__(self, root: Path, rules: Callable[[], Rules], clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ToolError for a folder that cannot be written; files that are half written are removed."""
        self.root = root
        self._rules, self._clock = rules, clock
        self._sink = DirectorySink(root)
        self._lock = threading.Lock()
        self._rates = Rates(PER_DEVICE_S, DEVICE_BURST)
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        self.index = _index(root)

    def take(self, body: bytes) -> Stored:
        """Stores a batch, a sealed report a line. Raises Refused: 400 for what is no batch, 507 where the disk is full,
        503 where it fails; reports that were stored before are then as they were."""
        lines = [line for line in body.split(b"\n") if line]
        if not lines or len(lines) > BATCH_MAX:
            raise Refused(400, f"{len(lines):,} reports; a batch has 1 to {BATCH_MAX:,}, one a line")
        with self._lock:
            rules = self._rules()
            refused: list[Refusal] = []
            checked: dict[str, _Checked] = {}
            for number, line in enumerate(lines, 1):
                one = self._check(line + b"\n", number, rules)
                if isinstance(one, Refusal):
                    refused.append(one)
                elif (other := checked.get(one.sealed.name)) is None or other.report.sequence < one.report.sequence:
                    checked[one.sealed.name] = one
            self._write(list(checked.values()))
        return Stored(len(checked), tuple(refused))

    def _check(self, data: bytes, number: int, rules: Rules) -> _Checked | Refusal:
        """What is cheap comes first: a signature costs as much as all else."""
        name = f"line {number}"
        try:
            report = look_at_report(data, where=name)
            name = report_name(report.fleet, report.device, report.reporter)
            if reason := objection(report, rules, self.index):
                return Refusal(name, reason)
            digest, kept = digest_of(data), self.index.kept.get(name)
            if reason := replay(report, digest, kept, enrolled=is_enrolled(report, rules.enrolment)):
                return Refusal(name, reason)
            if kept is None or kept.digest != digest:
                check_signature(data, report, where=name)
                if (wait_s := self._rates.wait_s(name, self._clock())) > 0:
                    return Refusal(name, f"reports too often: again in {wait_s:.0f} s", later=True)
        except RemoteError as error:
            return Refusal(name, error.message[:300])
        return _Checked(
            SealedReport(report.fleet, report.device, report.sequence, data, report.reporter), report, digest
        )

    def _write(self, checked: Sequence[_Checked]) -> None:
        new = [one for one in checked if self._is_new(one)]
        try:
            self._sink.write([one.sealed for one in new])
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Refused.busy(507, "the disk is full: keep your reports", FULL_RETRY_S) from error
            raise Refused.busy(503, "the disk fails: keep your reports", FULL_RETRY_S) from error
        for one in new:
            self.index.add(one.report, one.digest)

    def _is_new(self, one: _Checked) -> bool:
        kept = self.index.kept.get(one.sealed.name)
        return kept is None or kept.digest != one.digest

    def lines(self) -> Iterator[bytes]:
        """Every report that is stored: its name, a space, and what was sent."""
        for found in folder_files(self.root):
            if not found.reason:
                yield found.name.encode() + b" " + found.data.rstrip(b"\n") + b"\n"


def _index(root: Path) -> Index:
    """What is stored. A file that is none is as if it were not there."""
    index = Index()
    for found in folder_files(root):
        with contextlib.suppress(RemoteError):
            if not found.reason:
                index.add(look_at_report(found.data, where=found.name), digest_of(found.data))
    return index


def _sweep(root: Path) -> None:
    for path in root.glob("*/.*.json.*"):
        with contextlib.suppress(OSError):
            path.unlink()
