"""Which reports a receiver stores, decided without disk or network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tinyops.device.reports.enrolment import Enrolment
from tinyops.manifest.report import DeviceReport, report_name

DEVICES_MAX = 100_000
REPORTERS_MAX = 8  # who may speak for one device of an open fleet


@dataclass(frozen=True)
class FleetRule:
    """`enrol: open`: a device that no list names may report, too; `max` devices of such may."""

    open: bool = False
    max: int | None = None


@dataclass(frozen=True)
class Rules:
    """The fleets, and their lists of devices."""

    fleets: Mapping[str, FleetRule]
    enrolment: Enrolment


@dataclass(frozen=True)
class Kept:
    """What is stored under one name: the first signer's key is pinned with it where no list names one."""

    public_key: str
    sequence: int
    digest: str


@dataclass
class Index:
    """What is stored, by name; and how many names each device and fleet has."""

    kept: dict[str, Kept] = field(default_factory=dict)
    reporters: dict[tuple[str, str], int] = field(default_factory=dict)
    devices: dict[str, int] = field(default_factory=dict)

    def add(self, report: DeviceReport, digest: str) -> None:
        name = report_name(report.fleet, report.device, report.reporter)
        if name not in self.kept:
            device = (report.fleet, report.device)
            self.reporters[device] = self.reporters.get(device, 0) + 1
            self.devices[report.fleet] = self.devices.get(report.fleet, 0) + (self.reporters[device] == 1)
        self.kept[name] = Kept(report.public_key, report.sequence, digest)


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def objection(report: DeviceReport, rules: Rules, index: Index) -> str:
    """Why a report is not stored whoever signed it; empty where it is, if its signature is right."""
    rule = rules.fleets.get(report.fleet)
    if rule is None:
        return f"there is no fleet {report.fleet} here"
    line = rules.enrolment.device(report.fleet, report.device)
    if line is None and not rule.open:
        listed = report.fleet in rules.enrolment.lists
        return "the list of its fleet does not name it" if listed else "its fleet has no list, and is not open"
    if line is not None and line.revoked:
        return f"it was revoked on {line.revoked}"
    return rules.enrolment.objection(report) or _crowd(report, rule, index, listed=line is not None)


def _crowd(report: DeviceReport, rule: FleetRule, index: Index, *, listed: bool) -> str:
    if report_name(report.fleet, report.device, report.reporter) in index.kept:
        return ""
    device = (report.fleet, report.device)
    if index.reporters.get(device, 0) >= REPORTERS_MAX:
        return f"{REPORTERS_MAX} speak for it already"
    if not listed and device not in index.reporters:
        most = min(rule.max or DEVICES_MAX, DEVICES_MAX)
        if index.devices.get(report.fleet, 0) >= most:
            return f"its fleet has {most:,} devices, and takes no more"
    return ""


def is_enrolled(report: DeviceReport, enrolment: Enrolment) -> bool:
    """Whether a list names the key that the report is signed with."""
    return enrolment.names_key(report.reporter or report.device, report.public_key)


def replay(report: DeviceReport, digest: str, kept: Kept | None, *, enrolled: bool) -> str:
    """Why a rightly signed report does not take the place of the one that is kept; empty where it does."""
    if kept is None or digest == kept.digest:
        return ""
    if report.public_key != kept.public_key:
        return "" if enrolled else f"signed with another key than before: {kept.public_key[:8]}… was first"
    if report.sequence < kept.sequence:
        return f"has number {report.sequence}; number {kept.sequence} was stored before"
    if report.sequence == kept.sequence:
        return f"a second, different number {report.sequence}: are there two devices with one key?"
    return ""
