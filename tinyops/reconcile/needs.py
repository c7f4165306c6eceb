"""Devices that need a person, why, and what to do: rules over what was observed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from tinyops.files import JsonObject
from tinyops.manifest.fields import read_time
from tinyops.manifest.report import DeviceReport
from tinyops.reconcile.states import SILENT_AFTER, Observed, State

CRASHES_PER_DAY_MAX = 1.0  # where the fleet's health rules name none

Action: TypeAlias = Literal["re-flash", "check power and network", "enrol or remove", "look at its log", "retrain"]
_BY_STATE: Mapping[State, Action] = {
    "cloned": "re-flash",
    "gave up": "re-flash",
    "unknown": "enrol or remove",
    "revoked": "enrol or remove",
    "silent": "check power and network",
}
_FIRST: Mapping[State, int] = {"cloned": 0, "gave up": 1, "revoked": 2, "unknown": 3, "silent": 5}


@dataclass(frozen=True)
class Need:
    """One device, why somebody must look at it, and what to try first."""

    device: Observed
    why: str
    action: Action

    def to_json(self) -> JsonObject:
        device = self.device
        names = {"fleet": device.fleet, "board": device.board, "device": device.device, "state": device.state}
        return {**names, "why": self.why, "do": self.action}


@dataclass(frozen=True)
class HealthRules:
    """`behind_after`: how long a device may run something else than it should before somebody looks."""

    crashes_per_day_max: float = CRASHES_PER_DAY_MAX
    behind_after: timedelta = SILENT_AFTER


@dataclass(frozen=True)
class Looking:
    """What needs are found by; `rules` by fleet, `since` when each fleet was first offered what it should run."""

    now: datetime
    rules: Mapping[str, HealthRules] = field(default_factory=dict)
    since: Mapping[str, datetime] = field(default_factory=dict)


def needs_of(devices: Iterable[Observed], by: Looking) -> tuple[Need, ...]:
    """Those that a person must look at, the worst first, then by fleet and name."""
    found = [need for device in devices if (need := need_of(device, by)) is not None]
    return tuple(sorted(found, key=lambda n: (_FIRST.get(n.device.state, 4), n.device.fleet, n.device.device)))


def need_of(device: Observed, by: Looking) -> Need | None:
    """The first rule that a device breaks."""
    if device.state in _BY_STATE:
        return Need(device, device.why or device.state, _BY_STATE[device.state])
    report = device.report
    if report is None:
        return None
    rules = by.rules.get(device.fleet, HealthRules())
    if report.health.self_test == "fail":
        return Need(device, "its self-test fails", "re-flash")
    crashes = crashes_per_day(report)
    if crashes > rules.crashes_per_day_max:
        return Need(device, f"crashes {crashes:.1f} times a day ({report.health.crashes:,} so far)", "look at its log")
    return _left_behind(device, by, rules)


def _left_behind(device: Observed, by: Looking, rules: HealthRules) -> Need | None:
    if device.state != "behind":
        return None
    since = by.since.get(device.fleet)
    if since is None or by.now - since <= rules.behind_after:
        return None
    days = (by.now - since) / timedelta(days=1)
    why = f"behind for {days:.0f} days" + (f": {device.why}" if device.why else "")
    return Need(device, why, "check power and network" if device.why.startswith("failed") else "look at its log")


def crashes_per_day(report: DeviceReport) -> float:
    """Of the model that runs, over the time it has run, at least a day: one crash in its first hour is not 24 a day."""
    if report.health.crashes == 0 or report.running is None:
        return float(report.health.crashes)
    days = (read_time(report.time) - read_time(report.running.since)) / timedelta(days=1)
    return report.health.crashes / max(days, 1.0)
