"""Observed state: what devices report that they run, beside what the last release wants of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from tinyops.device.provision.devices_file import DevicesFile
from tinyops.errors import UsageError
from tinyops.manifest.keys import PublicKey
from tinyops.manifest.report import DeviceReport, UnreadableReport, read_reports
from tinyops.reconcile.pricing import devices_of
from tinyops.reconcile.rollouts import read_rollouts, silences
from tinyops.reconcile.states import Judging, Observed, judge_reports
from tinyops.reconcile.world import World


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
    """What devices are judged by at a moment. Raises SpecError for a list that is wrong."""
    lists = {n: listed for n, e in world.repository.fleets.items() if (listed := devices_of(world, e)) is not None}
    shares = {n: fleet.spec.class_shares for n, fleet in world.fleets.items() if fleet.spec.class_shares is not None}
    return Judging(world.manifest, now, lists, read_rollouts(world), silences(world), shares)


def reports_of(world: World, lists: Mapping[str, DevicesFile]) -> tuple[list[DeviceReport], list[UnreadableReport]]:
    """What devices sent and what is none; nothing where the project names no place for reports."""
    folder = reports_folder(world)
    if folder is None:
        return [], []
    keys = {
        d.id: PublicKey(bytes.fromhex(d.public_key)) for f in lists.values() for d in f.devices.values() if d.public_key
    }
    reports: list[DeviceReport] = []
    unreadable: list[UnreadableReport] = []
    for report in read_reports(folder, keys):
        if isinstance(report, UnreadableReport):
            unreadable.append(report)
        else:
            reports.append(report)
    return reports, unreadable


def reports_folder(world: World) -> Path | None:
    entry = world.repository.project
    spec = entry.document.spec.reports
    return world.repository.resolve(entry, spec.path) if spec is not None else None
