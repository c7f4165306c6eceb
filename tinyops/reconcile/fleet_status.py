"""Where each fleet stands: by wave, board and digest, its health, and who needs a person. Pure once it is read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from tinyops.errors import UsageError
from tinyops.files import JsonObject
from tinyops.manifest.document import FleetEntry, Manifest
from tinyops.reconcile.fleet_chains import ChainStatus, chain_statuses
from tinyops.reconcile.needs import Need
from tinyops.reconcile.shifts import (
    Moved,
    Reference,
    Seen,
    expected,
    facts_of,
    inferences_by_board,
    reference_of,
    seen_by,
    shifts,
)
from tinyops.reconcile.states import COUNTED, DRIFTED, Judging, Observed, State, by_state
from tinyops.reconcile.wanting import Rollout

STATUS_SCHEMA = "tinyops/fleet-status/v1"

FleetState: TypeAlias = Literal["converged", "rolling out", "halted", "settling", "drifted", "unreported", "unreleased"]


@dataclass(frozen=True)
class Group:
    """Devices of one wave or board. `wanted` is the model's digest, null for a wave."""

    name: str
    states: Mapping[State, int]
    wanted: str | None = None

    @property
    def devices(self) -> int:
        return sum(self.states.values())


@dataclass(frozen=True)
class Wave:
    """`upto`: the share of all positions up to which it goes."""

    number: int
    upto: float
    reached: bool
    states: Mapping[State, int]

    @property
    def devices(self) -> int:
        return sum(self.states.values())


@dataclass(frozen=True)
class Runs:
    """Devices that report one model: null for none. `what`: the one that is released, its base, or another one."""

    model: str | None
    what: Literal["released", "before", "another", "nothing"]
    devices: int
    confirmed: int


@dataclass(frozen=True)
class FleetStatus:
    """One fleet. `state` is `converged` only where every device that counts reports what it should run, confirmed."""

    name: str
    model: str | None
    state: FleetState
    devices: tuple[Observed, ...]
    boards: tuple[Group, ...]
    waves: tuple[Wave, ...]
    runs: tuple[Runs, ...]
    rollout: Rollout | None
    seen: Seen
    reference: Reference | None
    moved: tuple[Moved, ...]
    chains: tuple[ChainStatus, ...] = ()

    @property
    def states(self) -> Mapping[State, int]:
        return dict(by_state(self.devices))


@dataclass(frozen=True)
class Status:
    """Everything that `tinyops fleet status` says."""

    project: str
    version: int
    time: str
    reporting: bool
    fleets: tuple[FleetStatus, ...]
    needs: tuple[Need, ...]
    warnings: tuple[str, ...] = ()

    def only(self, fleet: str | None) -> Status:
        """That of one fleet. Raises UsageError for one that nobody knows."""
        if fleet is None:
            return self
        found = tuple(f for f in self.fleets if f.name == fleet)
        if not found:
            known = ", ".join(f.name for f in self.fleets) or "none"
            raise UsageError(f"there is no fleet {fleet!r}", hint=f"fleets: {known}")
        needs = tuple(need for need in self.needs if need.device.fleet == fleet)
        return Status(self.project, self.version, self.time, self.reporting, found, needs, self.warnings)


def fleet_statuses(devices: Iterable[Observed], named: Iterable[str], by: Judging) -> tuple[FleetStatus, ...]:
    """Those of the fleets in specs (`named`), in the release, and of any that devices name."""
    found: defaultdict[str, list[Observed]] = defaultdict(list)
    for device in devices:
        found[device.fleet].append(device)
    names = {*named, *(by.manifest.fleets if by.manifest else ()), *found}
    return tuple(_status(name, tuple(found[name]), by) for name in sorted(names))


def _status(name: str, devices: tuple[Observed, ...], by: Judging) -> FleetStatus:
    released = by.manifest.fleets.get(name) if by.manifest else None
    rollout = by.rollouts.get(name)
    models = {board: entry.model.digest for board, entry in released.boards.items()} if released else {}
    reference, classes = _facts(by.manifest, released, inferences_by_board(devices, models))
    reference = expected(reference, by.class_shares.get(name))
    seen = seen_by(devices, models, classes)
    return FleetStatus(
        name,
        released.model if released else None,
        _state(released, devices, rollout),
        devices,
        tuple(_boards(devices, models)),
        tuple(_waves(devices, rollout)),
        tuple(_runs(devices, models, rollout)),
        rollout,
        seen,
        reference,
        shifts(reference, seen),
        tuple(chain_statuses(devices, by.lists.get(name))),
    )


def _facts(
    manifest: Manifest | None, released: FleetEntry | None, seen: Mapping[str, int]
) -> tuple[Reference | None, Sequence[str]]:
    """The reference of the fleet's model and its classes; both may be unknown."""
    if manifest is None or released is None:
        return None, ()
    return reference_of(manifest, released, seen), facts_of(manifest, released).get("classes") or ()


def _state(released: FleetEntry | None, devices: Sequence[Observed], rollout: Rollout | None) -> FleetState:
    counted = [device.state for device in devices if device.state in COUNTED]
    if released is None:
        return "unreleased"
    if all(state == "unreported" for state in counted):
        return "unreported"
    current = rollout.current if rollout else None
    if current is not None and current.state == "halted":
        return "halted"
    if all(state == "converged" for state in counted):
        return "converged"
    if rollout is not None and (current is None or current.state != "finished"):
        return "rolling out"
    return "drifted" if any(device.state in DRIFTED for device in devices) else "settling"


def _boards(devices: Iterable[Observed], models: Mapping[str, str]) -> Iterator[Group]:
    groups: defaultdict[str, list[Observed]] = defaultdict(list)
    for device in devices:
        groups[device.board].append(device)
    for board in sorted({*groups, *models}):
        yield Group(board, dict(by_state(groups[board])), models.get(board))


def _waves(devices: Sequence[Observed], rollout: Rollout | None) -> Iterator[Wave]:
    if rollout is None:
        return
    groups: defaultdict[int | None, list[Observed]] = defaultdict(list)
    for device in devices:
        groups[device.wave].append(device)
    for number, upto in enumerate(rollout.shares(), 1):
        yield Wave(number, upto, number <= rollout.reached, dict(by_state(groups[number])))


def _runs(devices: Iterable[Observed], models: Mapping[str, str], rollout: Rollout | None) -> Iterator[Runs]:
    released = {*models.values()}
    before = {r.base.model.digest for r in (rollout.boards if rollout else {}).values() if r.base}
    counts, confirmed = Counter[str | None](), Counter[str | None]()
    for device in devices:
        if device.report is not None:
            counts[device.running] += 1
            confirmed[device.running] += device.report.slot.state == "confirmed"
    for model, count in sorted(counts.items(), key=lambda item: (-item[1], item[0] or "")):
        what: Literal["released", "before", "another", "nothing"] = "another"
        if model is None or model in released:
            what = "released" if model else "nothing"
        elif model in before:
            what = "before"
        yield Runs(model, what, count, confirmed[model])


def status_json(status: Status) -> JsonObject:
    """The document of `fleet status --json` and of the page."""
    return {
        "schema": STATUS_SCHEMA,
        "project": status.project,
        "released": status.version,
        "time": status.time,
        "reporting": status.reporting,
        "warnings": list(status.warnings),
        "needs": [need.to_json() for need in status.needs],
        "fleets": [_fleet_json(fleet) for fleet in status.fleets],
    }


def _fleet_json(fleet: FleetStatus) -> JsonObject:
    waves = [
        {"number": w.number, "upto": round(w.upto, 6), "reached": w.reached, "devices": w.devices, "states": w.states}
        for w in fleet.waves
    ]
    return {
        "name": fleet.name,
        "model": fleet.model,
        "state": fleet.state,
        "states": fleet.states,
        "rollout": None if fleet.rollout is None else {**_rollout_json(fleet.rollout), "waves": waves},
        "boards": [
            {"name": b.name, "wanted": b.wanted, "devices": b.devices, "states": b.states} for b in fleet.boards
        ],
        "runs": [
            {"model": r.model, "what": r.what, "devices": r.devices, "confirmed": r.confirmed} for r in fleet.runs
        ],
        "chains": [asdict(chain) for chain in fleet.chains],
        "health": _health_json(fleet),
        "devices": [device_json(device) for device in fleet.devices],
    }


def _rollout_json(rollout: Rollout) -> JsonObject:
    current, waves = rollout.current, rollout.any_board
    return {
        "id": waves.id if waves else None,
        "on_failure": waves.on_failure if waves else None,
        "state": current.state if current else "not begun",
        "reached": rollout.reached,
        "since": current.since if current else None,
        "expires": current.expires if current else None,
        "reason": current.reason if current else "",
        "quarantined": [q.digest for q in current.quarantined] if current else [],
    }


def _health_json(fleet: FleetStatus) -> JsonObject:
    seen, reference = fleet.seen, fleet.reference
    return {
        **{name: getattr(seen, name) for name in ("devices", "inferences", "errors", "crashes", "self_tests_failed")},
        "classes": dict(seen.classes),
        "other_classes": seen.others,
        "confidence": list(seen.confidence),
        "confidence_mean": seen.confidence_mean,
        "reference": asdict(reference) if reference else None,
        "shift": {m.what: {"verdict": m.verdict, "psi": m.psi, "noise": m.noise} for m in fleet.moved},
    }


def device_json(device: Observed) -> JsonObject:
    """What was observed, and of the report what people look for."""
    value = device.to_json()
    report = device.report
    if report is None:
        return value
    last, health = report.last_update, report.health
    return {
        **value,
        "slot": report.slot.state,
        "since": report.running.since if report.running else None,
        "seen": report.seen,
        "reporter": report.reporter,
        "problem": report.problem,
        "last_update": {"result": last.result, "reason": last.reason, "time": last.time} if last else None,
        "inferences": health.inferences,
        "errors": health.errors,
        "crashes": health.crashes,
        "self_test": health.self_test,
        "confidence_mean": health.confidence_mean,
    }
