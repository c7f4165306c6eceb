"""The state of each device: what it reports beside what the release, as far as its rollout is, wants of it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, get_args

from tinyops.device.provision.devices_file import Device, DevicesFile
from tinyops.device.reports.reading import settle
from tinyops.files import JsonObject
from tinyops.manifest.document import Manifest
from tinyops.manifest.fields import read_time
from tinyops.manifest.report import DeviceReport, LastUpdate
from tinyops.reconcile.wanting import Rollout, Rollouts, Wanted, wanted_of

SILENT_AFTER = timedelta(hours=72)
CLOCK_AHEAD = timedelta(days=1)

State: TypeAlias = Literal[
    "converged",
    "on trial",
    "waiting",
    "behind",
    "gave up",
    "silent",
    "unreported",
    "unknown",
    "revoked",
    "cloned",
]
STATES: tuple[State, ...] = get_args(State)
DRIFTED: frozenset[State] = frozenset({"behind", "gave up", "silent", "unknown", "revoked", "cloned"})
COUNTED: frozenset[State] = frozenset(STATES) - {"unknown", "revoked", "cloned"}


@dataclass(frozen=True)
class Observed:
    """One device. `running` is the digest of the model that it reports, `wanted` the one that it should run now.

    `converged`: it reports the released model, confirmed. `on trial`: it is proving it. `waiting`: its wave is not
    reached, and it runs what its fleet had before, as it should. `behind`: it runs another one. `gave up`: it refused
    or reverted the one that it should run, `why` says for what reason. `silent`: its last report is old. `unreported`:
    it is listed and never reported. `unknown`: no release has its fleet and board, or a list does not name it.
    `revoked`: it was struck off its list and still reports. `cloned`: its chip is another device's, or several report
    it at once. `wave` counts from 1, null without a rollout. `version` is the release that it was last seen in.
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
    wave: int | None = None
    report: DeviceReport | None = field(default=None, repr=False, compare=False)

    def to_json(self) -> JsonObject:
        """Without the report itself."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "report"}


@dataclass(frozen=True)
class Judging:
    """What reports are judged by; all but the first two by fleet. A fleet is silent after 72 hours unless told."""

    manifest: Manifest | None
    now: datetime
    lists: Mapping[str, DevicesFile] = field(default_factory=dict)
    rollouts: Rollouts = field(default_factory=dict)
    silent_after: Mapping[str, timedelta] = field(default_factory=dict)
    class_shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def judge_reports(reports: Iterable[DeviceReport], by: Judging) -> list[Observed]:
    """Every device that reported or is listed, by fleet and name; of a device there may be several reports."""
    known, disputed = settle(reports, by.now)
    clones = {**disputed, **_clones(known.values(), by.lists)}
    found = {name: _judge(report, by, clones.get(name, "")) for name, report in known.items()}
    gateways = {report.reporter for report in known.values()}
    for fleet, listed in by.lists.items():
        for device in listed.devices.values():
            if (fleet, device.id) not in found and not device.revoked:
                wanted = wanted_of(by.manifest, by.rollouts, fleet, device.board, device.unit)
                if wanted is None and device.id in gateways:  # it runs nothing of its own, and speaks for others
                    continue
                digest, wave = (wanted.model, wanted.wave) if wanted else (None, None)
                found[fleet, device.id] = Observed(
                    fleet, device.board, device.id, "unreported", wanted=digest, wave=wave
                )
    return [found[name] for name in sorted(found)]


def converged_share(devices: Sequence[Observed]) -> float:
    """Of the devices that count: listed, or reporting and not struck off."""
    counted = [d for d in devices if d.state in COUNTED]
    return sum(d.state == "converged" for d in counted) / len(counted) if counted else 0.0


def by_state(devices: Iterable[Observed]) -> Iterator[tuple[State, int]]:
    """How many devices are in each state, converged ones first."""
    counts: defaultdict[State, int] = defaultdict(int)
    for device in devices:
        counts[device.state] += 1
    return ((state, counts[state]) for state in STATES if counts[state])


def _judge(report: DeviceReport, by: Judging, clone: str) -> Observed:
    unit = _unit(report, by.lists.get(report.fleet))
    wanted = wanted_of(by.manifest, by.rollouts, report.fleet, report.board, unit, report.running)
    state, why = _standing(report, by.lists.get(report.fleet), wanted, clone)
    if state is None and wanted is not None:
        silent = by.silent_after.get(report.fleet, SILENT_AFTER)
        state, why = _progress(report, wanted, by.rollouts.get(report.fleet), silent, by.now)
    running = report.running
    return Observed(
        report.fleet,
        report.board,
        report.device,
        state or "unknown",
        running.model if running else None,
        wanted.model if wanted else None,
        running.version if running else None,
        report.time,
        why or report.problem or "",
        wanted.wave if wanted else None,
        report,
    )


def _unit(report: DeviceReport, listed: DevicesFile | None) -> str:
    """What takes the device's place in waves: itself, or its chain, which only a list tells."""
    device = listed.devices.get(report.device) if listed else None
    return device.unit if device else report.device


def _standing(
    report: DeviceReport, listed: DevicesFile | None, wanted: Wanted | None, clone: str
) -> tuple[State | None, str]:
    """Whether a device counts at all; null: it does."""
    if listed is not None and report.device not in listed.devices:
        return "unknown", "its fleet's list of devices does not name it"
    if listed is not None and listed.devices[report.device].revoked:
        return "revoked", f"since {listed.devices[report.device].revoked}"
    if wanted is None:
        return "unknown", "no release has its fleet and board"
    return ("cloned", clone) if clone else (None, "")


def _progress(
    report: DeviceReport, wanted: Wanted, rollout: Rollout | None, silent_after: timedelta, now: datetime
) -> tuple[State, str]:
    heard = report.seen or report.time
    moment = read_time(heard)
    if moment > now + CLOCK_AHEAD:
        return "silent", f"its clock is ahead: it was last heard of at {heard}"
    if now - moment > silent_after:
        return "silent", f"it was last heard of at {heard}"
    if (arrived := _arrived(report, wanted, rollout)) is not None:
        return arrived, "" if arrived == "converged" else _waiting_for(rollout)
    if report.slot.state == "trial":
        return "on trial", ""
    if wanted.choice == "base" and wanted.runs_new:
        return "behind", "it goes back to what it had before"
    return _tried(report.last_update, wanted, rollout)


def _tried(last: LastUpdate | None, wanted: Wanted, rollout: Rollout | None) -> tuple[State, str]:
    """What came of the last update of a device that does not run what it should."""
    if last is None or last.digest != wanted.model or last.result == "installed":
        return "behind", ""
    resumed = rollout.current.resumed if rollout and rollout.current else None
    if last.result == "failed" or (resumed is not None and read_time(last.time) < read_time(resumed)):
        return "behind", f"{last.result}: {last.reason}"
    return "gave up", f"{last.result}: {last.reason}"


def _arrived(report: DeviceReport, wanted: Wanted, rollout: Rollout | None) -> State | None:
    """Where a device runs, confirmed, what it should or may; None where it does not."""
    confirmed = report.slot.state == "confirmed"
    if wanted.choice == "keep":
        is_new = wanted.runs_new and confirmed and not (rollout and rollout.is_halted)
        return "converged" if is_new else "waiting"
    if report.running is None or report.running.model != wanted.model:
        return None
    if wanted.choice == "new":
        return "converged" if confirmed and wanted.runs_new else None
    went_back = confirmed or report.slot.state == "reverted"  # which says that the one before runs
    return "waiting" if went_back and not wanted.runs_new else None


def _waiting_for(rollout: Rollout | None) -> str:
    current = rollout.current if rollout else None
    if current is None or rollout is None:
        return "the rollout has not begun"
    if rollout.is_halted:
        return f"the rollout is halted: {current.reason}" if current.reason else "the rollout is halted"
    return "its wave is not reached"


def _clones(reports: Collection[DeviceReport], lists: Mapping[str, DevicesFile]) -> dict[tuple[str, str], str]:
    """By fleet and device, why a chip is not its own: enrolled as another one's, or reported by two."""
    owners = {d.silicon: (fleet, d.id) for fleet, f in lists.items() for d in f.devices.values() if _owns(d)}
    enrolled = {name: silicon for silicon, name in owners.items()}
    reported: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for report in reports:
        if report.silicon:
            reported[report.silicon].append((report.fleet, report.device))
    found: dict[tuple[str, str], str] = {}
    for silicon, names in reported.items():
        for name in names:
            others = [n for n in (owners.get(silicon), *names) if n is not None and n[1] != name[1]]
            if owners.get(silicon, name)[1] != name[1] or (silicon not in owners and others):
                found[name] = f"its chip {silicon} is that of {others[0][1]}"
            elif enrolled.get(name, silicon) != silicon:
                found[name] = f"its chip is {silicon}, it was enrolled with {enrolled[name]}"
    return found


def _owns(device: Device) -> bool:
    return bool(device.silicon) and not device.revoked
