"""Observed state: what devices report that they run, beside what the last release wants of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from tinyops.device.provision.devices_file import DevicesFile
from tinyops.device.reports.enrolment import Enrolment
from tinyops.device.reports.memory import Memory
from tinyops.device.reports.reading import believed_reports
from tinyops.errors import UsageError
from tinyops.manifest.report import DeviceReport, UnreadableReport
from tinyops.reconcile.device_lists import listed_devices
from tinyops.reconcile.reporting import MEMORY_FILE, reports_place
from tinyops.reconcile.rollouts import read_rollouts, silences
from tinyops.reconcile.states import Judging, Observed, judge_reports
from tinyops.reconcile.world import World


def clock() -> datetime:
    return datetime.now(UTC)


def observed_devices(world: World, now: datetime) -> tuple[list[Observed], list[UnreadableReport]]:
    """Every device that reported or is listed, by fleet and name, and the reports that are none.

    Raises UsageError where the project names no place for reports, SpecError for a list that is wrong.
    """
    entry = world.repository.project
    if entry.document.spec.reports is None:
        hint = "reports: {kind: directory, path: ../.tinyops/reports}"
        raise UsageError(f"{entry.file}: the project has no `reports`: nothing tells what devices run", hint=hint)
    by = judging(world, now)
    reports, unreadable = reports_of(world, by.lists)
    return judge_reports(reports, by), unreadable


def judging(world: World, now: datetime) -> Judging:
    """What devices are judged by at a moment: what they are offered then. Raises SpecError for a list that is wrong."""
    shares = {n: fleet.spec.class_shares for n, fleet in world.fleets.items() if fleet.spec.class_shares is not None}
    return Judging(world.offered, now, listed_devices(world), read_rollouts(world), silences(world), shares)


def reports_of(world: World, lists: Mapping[str, DevicesFile]) -> tuple[list[DeviceReport], list[UnreadableReport]]:
    """What devices sent, of one several reports where several speak for it, and what counts for nothing; nothing where
    the project names no place for reports. Raises RemoteError for a place that cannot be reached."""
    place = reports_place(world)
    if place is None:
        return [], []
    memory = Memory(world.root / MEMORY_FILE)
    return believed_reports(place.files(), Enrolment(lists), root=place.root, memory=memory)


def has_reports(world: World) -> bool:
    """Whether the project names a place for reports."""
    return world.repository.project.document.spec.reports is not None
