"""What to do about drift, chosen by rules: nothing of it happens by itself. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tinyops.plan import Plan
from tinyops.plan.gates import Miss
from tinyops.reconcile.fleet_status import FleetStatus, Status
from tinyops.reconcile.needs import Action, Need
from tinyops.reconcile.shifts import Moved
from tinyops.reconcile.states import COUNTED, Observed

LOST_SHARE = 0.2  # of a fleet's devices: if more gave up or are ill, the model is, not the devices
LOST_MIN = 3

Kind: TypeAlias = Literal["apply", "roll back", "retrain", "collect"] | Action
_ORDER: Sequence[Kind] = (
    "roll back",
    "apply",
    "retrain",
    "collect",
    "re-flash",
    "look at its log",
    "enrol or remove",
    "check power and network",
)
_HOW: Mapping[Action, str] = {
    "re-flash": "by cable: `tinyops identify`, then `tinyops flash`; a clone is enrolled anew: `tinyops enrol`",
    "look at its log": "`tinyops fleet log DEVICE`; a fault's line of source: `tinyops crash`",
    "enrol or remove": "`tinyops enrol`, or take it off its power: it is not, or no longer, in its fleet's list",
    "check power and network": "somebody has to go there; its next report takes it off this list",
}


@dataclass(frozen=True)
class NextStep:
    """One proposal. `why` is the evidence in a sentence, `how` the command or the edit of a spec that does it."""

    kind: Kind
    fleet: str
    why: str
    how: str


def next_steps(status: Status, plan: Plan, missed: Mapping[str, Sequence[Miss]]) -> tuple[NextStep, ...]:
    """Proposals in the order in which to look at them; `missed` are gates of today that a fleet's model does not reach.

    A fleet of which many devices gave up is rolled back as a whole before anybody looks at one of them.
    """
    found = [*_of_plan(plan)]
    for fleet in status.fleets:
        found += [*_of_model(fleet, [n for n in status.needs if n.device.fleet == fleet.name])]
        found += [*_of_gates(fleet, missed.get(fleet.name, ()))]
        found += [*_of_shift(fleet)]
    found += [*_of_devices(status.needs)]
    return tuple(sorted(found, key=lambda step: (_ORDER.index(step.kind), step.fleet)))


def _of_plan(plan: Plan) -> Iterator[NextStep]:
    if not plan.pending:
        return
    kinds = ("collect", "train") if plan.released_version else ()
    trained = [change.subject for change in plan.pending if change.kind in kinds]
    newer = f": newer data or another training of {', '.join(sorted(set(trained)))}" if trained else ""
    count = len(plan.pending)
    why = f"{count:,} {'change waits' if count == 1 else 'changes wait'} to be applied{newer}"
    how = "`tinyops apply`: the last one did not run, or failed"
    yield NextStep("retrain" if trained else "apply", "", why, how)


def _of_model(fleet: FleetStatus, needs: Sequence[Need]) -> Iterator[NextStep]:
    """A halted rollout, or a release that many devices give up: the model's fault, not theirs."""
    rollout = fleet.rollout
    if rollout is not None and rollout.is_halted and rollout.current is not None:
        reason = f": {rollout.current.reason}" if rollout.current.reason else ""
        why = f"the rollout of v{rollout.current.rollout} is halted{reason}"
        yield NextStep("roll back", fleet.name, why, f"mend its spec, or `tinyops rollback {fleet.name}`")
        return
    counted = sum(device.state in COUNTED for device in fleet.devices)
    lost = sum(_is_models_fault(need) for need in needs)
    if lost >= LOST_MIN and lost > LOST_SHARE * counted:
        why = f"{lost:,} of {counted:,} devices gave up the release or are ill with it"
        how = f"`tinyops rollback {fleet.name}`, or `tinyops suspend {fleet.name} --reason …` while you look"
        yield NextStep("roll back", fleet.name, why, how)


def _is_models_fault(need: Need) -> bool:
    return need.device.state == "gave up" or (need.device.state in COUNTED and need.action in ("re-flash", _LOG))


_LOG: Action = "look at its log"


def _of_gates(fleet: FleetStatus, missed: Iterable[Miss]) -> Iterator[NextStep]:
    gates = "; ".join(str(miss) for miss in missed)
    if gates:
        how = f"train {fleet.model} on more data or otherwise; until then its spec holds the fleet where it is"
        yield NextStep("retrain", fleet.name, f"the released model misses gates of today: {gates}", how)


def _of_shift(fleet: FleetStatus) -> Iterator[NextStep]:
    moved = [one for one in fleet.moved if one.verdict == "moved"]
    if not moved:
        return
    why = " and ".join(moved_sentence(one, fleet) for one in moved)
    how = f"record what devices of {fleet.name} see, label it, add it to the index of the dataset"
    if any(one.what == "classes" for one in moved):
        how += f"; if the fleet lives so, say it in its spec: `{class_shares(fleet)}`"
    yield NextStep("collect", fleet.name, why, how)


def moved_sentence(moved: Moved, fleet: FleetStatus) -> str:
    """How far it moved, with the figures that say so."""
    index = f"PSI {moved.psi:.2f}, chance alone stays below {moved.noise:.2f}" if moved.psi is not None else ""
    if moved.what == "classes":
        return f"{fleet.seen.inferences:,} inferences have other shares of classes than expected ({index})"
    if moved.psi is not None:
        return f"its confidence is another than on the test side ({index})"
    before = fleet.reference.confidence_mean if fleet.reference else None
    return f"its mean confidence fell from {before or 0:.2f} to {fleet.seen.confidence_mean or 0:.2f}"


def class_shares(fleet: FleetStatus) -> str:
    """What devices see, as a fleet's spec would say it: hundredths that add up to one."""
    total = sum(fleet.seen.classes.values()) or 1
    hundredths = {name: round(100 * count / total) for name, count in fleet.seen.classes.items()}
    most = max(hundredths, key=lambda name: hundredths[name], default=None)
    if most is not None:
        hundredths[most] += 100 - sum(hundredths.values())
    return "class_shares: {" + ", ".join(f"{name}: {part / 100:g}" for name, part in hundredths.items()) + "}"


def _of_devices(needs: Iterable[Need]) -> Iterator[NextStep]:
    groups: defaultdict[tuple[str, Action], list[Observed]] = defaultdict(list)
    for need in needs:
        groups[need.device.fleet, need.action].append(need.device)
    for (fleet, action), devices in groups.items():
        count = f"{len(devices):,} {'device' if len(devices) == 1 else 'devices'}"
        kinds = ", ".join(sorted({device.state for device in devices}))
        yield NextStep(action, fleet, f"{count} ({kinds})", _HOW[action])
