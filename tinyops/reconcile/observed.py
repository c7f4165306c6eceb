"""Observed state: what devices report that they run, beside what the last release wants of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from tinyops.device.provision.devices_file import DevicesFile
from tinyops.errors import UsageError
from tinyops.manifest.document import BoardEntry, Manifest
from tinyops.manifest.fields import read_time
from tinyops.manifest.keys import PublicKey
from tinyops.manifest.report import DeviceReport, UnreadableReport, read_reports
from tinyops.reconcile.pricing import devices_of
from tinyops.reconcile.world import World

SILENT_AFTER = timedelta(hours=72)

State: TypeAlias = Literal["converged", "behind", "gave up", "silent", "unreported", "unknown", "revoked"]


DRIFTED: frozenset[State] = frozenset({"behind", "gave up", "silent", "unknown", "revoked"})


@dataclass(frozen=True)
class Observed:
    """One device. `running` is the digest of the model that it reports, `wanted` that of the release.

    `converged`: it reports the released model, confirmed. `behind`: another one. `gave up`: it refused or
    reverted the released one, `why` says for what reason. `silent`: its last report is old. `unreported`: it is
    listed and never reported. `unknown`: no release has its fleet and board, or a list does not name it.
    `revoked`: it was struck off its list and still reports.
    """

    fleet: str
    board: str
    device: str
    state: State
    running: str | None = None
    wanted: str | None = None
    version: int | None = None
    reported: str | None = None
    why: str = ""


def observed_devices(world: World, now: datetime) -> tuple[list[Observed], list[UnreadableReport]]:
    """Every device that reported or is listed, by fleet and name, and the reports that are none.

    Raises UsageError where the project names no place for reports, SpecError for a list that is wrong.
    """
    entry = world.repository.project
    spec = entry.document.spec.reports
    if spec is None:
        hint = "reports: {kind: directory, path: ../.tinyops/reports}"
        raise UsageError(f"{entry.file}: the project has no `reports`: nothing tells what devices run", hint=hint)
    lists = {n: listed for n, e in world.repository.fleets.items() if (listed := devices_of(world, e)) is not None}
    keys = {
        d.id: PublicKey(bytes.fromhex(d.public_key)) for f in lists.values() for d in f.devices.values() if d.public_key
    }
    found: dict[tuple[str, str], Observed] = {}
    unreadable: list[UnreadableReport] = []
    for report in read_reports(world.repository.resolve(entry, spec.path), keys):
        if isinstance(report, UnreadableReport):
            unreadable.append(report)
        else:
            found[report.fleet, report.device] = _of_report(report, world.manifest, lists.get(report.fleet), now)
    for fleet, listed in lists.items():
        for device in listed.devices.values():
            if (fleet, device.id) not in found and not device.revoked:
                found[fleet, device.id] = Observed(fleet, device.board, device.id, "unreported")
    return [found[name] for name in sorted(found)], unreadable


def converged_share(devices: Sequence[Observed]) -> float:
    """Of the devices that count: listed, or reporting and not struck off."""
    counted = [d for d in devices if d.state not in ("unknown", "revoked")]
    return sum(d.state == "converged" for d in counted) / len(counted) if counted else 0.0


def _of_report(report: DeviceReport, manifest: Manifest | None, listed: DevicesFile | None, now: datetime) -> Observed:
    offered = _offered(manifest, report)
    state, why = _state(report, offered, listed, now)
    running = report.running
    return Observed(
        report.fleet,
        report.board,
        report.device,
        state,
        running.model if running else None,
        offered.model.digest if offered else None,
        running.version if running else None,
        report.time,
        why or report.problem or "",
    )


def _offered(manifest: Manifest | None, report: DeviceReport) -> BoardEntry | None:
    fleet = manifest.fleets.get(report.fleet) if manifest else None
    return fleet.boards.get(report.board) if fleet else None


def _state(
    report: DeviceReport, offered: BoardEntry | None, listed: DevicesFile | None, now: datetime
) -> tuple[State, str]:
    if listed is not None and report.device not in listed.devices:
        return "unknown", "its fleet's list of devices does not name it"
    if listed is not None and listed.devices[report.device].revoked:
        return "revoked", f"since {listed.devices[report.device].revoked}"
    if offered is None:
        return "unknown", "no release has its fleet and board"
    if now - read_time(report.time) > SILENT_AFTER:
        return "silent", f"its last report is of {report.time}"
    if report.running is not None and report.running.model == offered.model.digest and report.slot.state == "confirmed":
        return "converged", ""
    last = report.last_update
    if last is not None and last.digest == offered.model.digest and last.result in ("refused", "reverted"):
        return "gave up", f"{last.result}: {last.reason}"
    return "behind", ""


def by_state(devices: Sequence[Observed]) -> Iterator[tuple[State, int]]:
    """How many devices are in each state, converged ones first."""
    order: tuple[State, ...] = ("converged", "behind", "gave up", "silent", "unreported", "unknown", "revoked")
    for state in order:
        if count := sum(device.state == state for device in devices):
            yield state, count
