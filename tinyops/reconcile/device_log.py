"""What befell one device, in order of time: releases that its fleet was offered, waves, its journal, its report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tinyops.device.provision.devices_file import Device
from tinyops.errors import TinyopsError, UsageError
from tinyops.manifest.document import BoardEntry, Manifest
from tinyops.manifest.report import DeviceReport, Event, LastUpdate
from tinyops.reconcile.past import Past
from tinyops.reconcile.states import Judging, Observed
from tinyops.reconcile.wanting import Rollout
from tinyops.release.store import Unreachable

Source: TypeAlias = Literal["list", "release", "rollout", "device", "gateway"]


@dataclass(frozen=True)
class Line:
    """One thing that happened. The time of a device or gateway is by its own clock."""

    time: str
    source: Source
    what: str
    text: str


def find_device(devices: Sequence[Observed], name: str, fleet: str | None) -> Observed:
    """The device of that name. Raises UsageError where there is none, or one in each of several fleets."""
    found = [device for device in devices if device.device == name and fleet in (None, device.fleet)]
    if len(found) == 1:
        return found[0]
    if not found:
        where = f" in fleet {fleet}" if fleet else ""
        raise UsageError(
            f"no device {name!r}{where} is listed or reports", hint="`tinyops fleet status --json` lists devices"
        )
    fleets = ", ".join(device.fleet for device in found)
    raise UsageError(f"device {name} is in fleets {fleets}", hint=f"--fleet {found[0].fleet}")


def device_log(device: Observed, by: Judging, past: Past | None, limit: int) -> tuple[Line, ...]:
    """The oldest first. `limit`: how many releases to look back."""
    listed = by.lists.get(device.fleet)
    lines = [*_listed(listed.devices.get(device.device) if listed else None)]
    lines += _releases(by.manifest, past, device, limit)
    lines += _rollout(by.rollouts.get(device.fleet), device)
    if device.report is not None:
        lines += _reported(device, device.report)
    return tuple(sorted(lines, key=lambda line: line.time))


def _listed(device: Device | None) -> Iterator[Line]:
    if device is None:
        return
    if device.enrolled:
        yield Line(f"{device.enrolled}T00:00:00Z", "list", "enrolled", f"as {device.board}")
    if device.revoked:
        yield Line(f"{device.revoked}T00:00:00Z", "list", "revoked", "struck off its fleet's list")


def _releases(latest: Manifest | None, past: Past | None, device: Observed, limit: int) -> Iterator[Line]:
    """Those that changed what the device's fleet and board are offered."""
    manifest = latest
    while manifest is not None and latest is not None and latest.version - manifest.version < limit:
        before = _earlier(past, manifest.version - 1)
        new, old = _entry(manifest, device), _entry(before, device) if before else None
        if new is None:
            if old is not None:
                yield Line(manifest.created, "release", manifest.tag, "its fleet or board left the release")
        elif old is None or new.model.digest != old.model.digest:
            was = f", before {short(old.model.digest)}" if old else ""
            yield Line(manifest.created, "release", manifest.tag, f"offers model {short(new.model.digest)}{was}")
        elif new.firmware != old.firmware:
            yield Line(manifest.created, "release", manifest.tag, "offers another firmware")
        manifest = before


def _earlier(past: Past | None, version: int) -> Manifest | None:
    if past is None or version < 1:
        return None
    try:
        return past.read(version)
    except Unreachable:  # perhaps it is there
        raise
    except TinyopsError:
        return None


def _entry(manifest: Manifest, device: Observed) -> BoardEntry | None:
    fleet = manifest.fleets.get(device.fleet)
    return fleet.boards.get(device.board) if fleet else None


def _rollout(rollout: Rollout | None, device: Observed) -> Iterator[Line]:
    if rollout is None or rollout.any_board is None or device.wave is None or rollout.current is None:
        return
    current, waves = rollout.current, len(rollout.any_board.waves)
    place = f"its wave is {device.wave} of {waves}, {rollout.reached} reached"
    reason = f": {current.reason}" if current.reason else ""
    yield Line(current.since, "rollout", current.state, f"of v{current.rollout}: {place}{reason}")


def _reported(device: Observed, report: DeviceReport) -> Iterator[Line]:
    source: Source = "gateway" if report.reporter else "device"
    last = report.last_update
    for event in report.events:
        if not (last and _tells(event, last)):
            yield Line(event.time, source, event.kind, event.text)
    if report.running is not None:
        running = f"model {short(report.running.model)} of v{report.running.version}"
        yield Line(report.running.since, source, "runs", running)
    if last is not None:
        of = f"v{last.version}" if last.version else "an update"
        digest = f", model {short(last.digest)}" if last.digest else ""
        yield Line(last.time, source, last.result, f"{of}{digest}{f': {last.reason}' if last.reason else ''}")
    if report.seen is not None:
        yield Line(report.seen, source, "seen", f"by {report.reporter}" if report.reporter else "")
    said = f"{device.state}{f': {device.why}' if device.why else ''}"
    yield Line(report.time, source, "report", f"number {report.sequence:,}, slot {report.slot.state}: {said}")


def _tells(event: Event, last: LastUpdate) -> bool:
    """Whether an event is the last update, which says more of it: its journal has it cut, behind a version."""
    text = event.text.removeprefix(f"v{last.version}: ").removesuffix("…")
    return (event.time, event.kind) == (last.time, last.result) and " ".join(last.reason.split()).startswith(text)


def short(digest: str | None) -> str:
    """The first digits of a digest, as tables show it."""
    return digest.removeprefix("sha256:")[:12] if digest else "-"
