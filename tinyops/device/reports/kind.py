"""What every sink of reports is: it takes signed reports in batches, and says which it does not want."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tinyops.errors import RemoteError, SpecError
from tinyops.files import read_bounded
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.report import DeviceReport, report_name, seal_report

CREDENTIAL_LIMIT_BYTES = 16 * 1024


@dataclass(frozen=True)
class SealedReport:
    """A signed report as a file's content, and what it is about. `reporter`: as in the report."""

    fleet: str
    device: str
    sequence: int
    data: bytes
    reporter: str | None = None

    @staticmethod
    def of(report: DeviceReport, key: SigningKey) -> SealedReport:
        """Signs a report; its `public_key` must be that key's."""
        return SealedReport(report.fleet, report.device, report.sequence, seal_report(report, key), report.reporter)

    @property
    def name(self) -> str:
        """Where it lies below a folder of reports, by `/`: nothing else ever lies there."""
        return report_name(self.fleet, self.device, self.reporter)


@dataclass(frozen=True)
class Refusal:
    """A report that a sink will never take, and why: it is not offered again. `later`: it may be, so it is."""

    name: str
    reason: str
    later: bool = False


class TryLater(RemoteError):
    """The sink is there and takes nothing for now; `after_s` where it said for how long."""

    after_s: float | None = None


class ReportSink(Protocol):
    """A place that reports are brought to. `batch_max` reports at once, `every_s` at the least between two batches.

    With `immediate` a batch is written by who offers it, as its end is soon and certain; others write from a thread.
    """

    where: str
    immediate: bool
    batch_max: int
    every_s: float

    def write(self, reports: Sequence[SealedReport]) -> Sequence[Refusal]:
        """Brings them there durably; the newest report of a device takes the place of the one before.

        Raises RemoteError (TryLater where it is asked to wait) or ToolError: then all of them are offered again, and
        one that was taken already is taken again.
        """


@dataclass(frozen=True)
class Credential:
    """What lets this machine write reports, and nothing else: a file that is read anew for each batch; or `value`."""

    file: Path | None = None
    value: str = field(default="", repr=False)

    def text(self) -> str:
        """Its one line; empty where there is none. Raises SpecError."""
        if self.file is None:
            return self.value
        text = read_bounded(self.file, CREDENTIAL_LIMIT_BYTES).decode(errors="replace").strip()
        if not text or not text.isascii() or not text.isprintable():
            raise SpecError(f"{self.file}: holds no token: one line of printable ASCII is wanted")
        return text
