"""What a plan costs, board by board: figures as released and as they would be. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tinyops.files import JsonObject
from tinyops.manifest.choice import read_choice
from tinyops.manifest.document import BoardEntry, FleetEntry, Manifest
from tinyops.manifest.sent import Sent, sent
from tinyops.plan.awaiting import Awaiting
from tinyops.plan.chains import ChainCuts
from tinyops.plan.changes import CONTROL, REASON_LIMIT, Action, Change, Plan
from tinyops.plan.findings import DataFinding
from tinyops.plan.gates import Miss
from tinyops.specs.targets import Target, Targets

AS_RELEASED = (Action.KEEP, Action.MOVE)


@dataclass(frozen=True)
class Interval:
    """A share of test recordings with its 95 % interval."""

    point: float
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """What a board's devices run, measured. None: there is no such thing, or it is known after apply only."""

    accuracy: Interval | None = None
    int8_loss: float | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    instructions: int | None = None
    milliseconds: float | None = None
    image_bytes: int | None = None
    proof_model: str | None = None
    proof_firmware: str | None = None
    variant: str | None = None


@dataclass(frozen=True)
class Price:
    """One board of a fleet, before and after.

    `was` is None before its first release, `now` where it leaves. `whole` says that `now` was measured, not only
    what can be known without building. `air_bytes` are those that a device fetches, `devices` how many do; None: known
    after apply, or nobody counts them. `missed` are the gates that the board or its model misses. `chosen` says why it
    gets its variant: empty while that is not known, None where none is chosen; `lost` why it gets none of the others.
    """

    fleet: str
    board: str
    model: str
    was: Figures | None
    now: Figures | None
    whole: bool
    air_bytes: int | None
    devices: int | None
    missed: tuple[Miss, ...] = ()
    chosen: str | None = None
    lost: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PlanFile:
    """A plan, what it costs, whether the last release still waits for people, what is said of the data, and where
    chains are cut. All but the plan are for people: its digest does not cover them."""

    plan: Plan
    prices: tuple[Price, ...] = ()
    awaiting: Awaiting | None = None
    findings: tuple[DataFinding, ...] = ()
    chains: tuple[ChainCuts, ...] = ()

    def to_json(self) -> JsonObject:
        more: JsonObject = {"awaiting": asdict(self.awaiting)} if self.awaiting is not None else {}
        more |= {"findings": [found.to_json() for found in self.findings]} if self.findings else {}
        more |= {"chains": [chain.to_json() for chain in self.chains]} if self.chains else {}
        return {**self.plan.to_json(), "prices": [asdict(price) for price in self.prices], **more}


@dataclass(frozen=True)
class Costs:
    """What prices are made from beside the plan.

    `fleets` holds the targets of each fleet as the specs want them; `before` is the last release, `after`
    what a build would release, None when nothing was built. `devices` counts devices by fleet and board, where they
    are listed. `milliseconds` turns a board's instructions into time where such a board was measured.
    """

    fleets: Targets
    before: Manifest | None
    after: Manifest | None
    devices: Mapping[str, Mapping[str, int]]
    missed: Mapping[str, tuple[Miss, ...]]
    milliseconds: Callable[[str, int], float | None]


def prices(plan: Plan, costs: Costs) -> tuple[Price, ...]:
    """A price for each board of every fleet that does not stay as it is, in order."""
    changes = {change.id: change for change in plan.changes}
    moving = [
        c for c in plan.changes if c.kind == "fleet" and (c.action is not Action.KEEP or c.subject in costs.missed)
    ]
    return tuple(price for change in moving for price in _of_fleet(change.subject, changes, costs))


def _of_fleet(name: str, changes: Mapping[str, Change], costs: Costs) -> Iterator[Price]:
    targets = costs.fleets.get(name, {})
    before = _entry(costs.before, name)
    was = before.boards if before else {}
    for board in sorted({*targets, *was}):
        if board in targets:
            yield _of_board(targets[board], changes, costs)
        else:
            figures = _figures(was[board], board, costs)
            yield Price(name, board, before.model if before else "", figures, None, True, 0, 0)


def _of_board(target: Target, changes: Mapping[str, Change], costs: Costs) -> Price:
    fleet, board = target.fleet, target.name
    before, missed = _offered(costs.before, fleet, board), costs.missed.get(fleet, ())
    after = None if any(m.is_failure for m in missed) else _offered(costs.after, fleet, board)
    was = _figures(before, target.board, costs) if before else None
    missed = tuple(m for m in missed if m.board in (None, board))
    now, whole, air = _foreseen(target, changes, was)
    if air == 0 and before is not None and before.images and _moves(changes, target.twin_step):
        air = None  # another security counter makes other images of the same files
    if after is not None:
        released, built = (sent(m, fleet, board) if m is not None else {} for m in (costs.before, costs.after))
        air = _air_bytes(released, built)
        now, whole = _figures(after, target.board, costs), True
    devices = costs.devices.get(fleet, {}).get(board, 0) if fleet in costs.devices else None
    chosen = _chosen(target, costs.after if after is not None else costs.before if whole else None)
    return Price(fleet, board, target.model, was, now, whole, air, 0 if air == 0 else devices, missed, *chosen)


def _chosen(target: Target, manifest: Manifest | None) -> tuple[str | None, dict[str, str]]:
    """Why it gets its variant, and why none of the others."""
    if not target.measured_step.startswith("choose:"):
        return None, {}
    record = manifest.steps.get(target.measured_step) if manifest else None
    if record is None:
        return "", {}
    choice = read_choice(record)
    if choice is None:
        return "", {}
    return _line(choice.why), {_line(variant): _line(why) for variant, why in choice.lost.items()}


def _line(text: str) -> str:
    return CONTROL.sub(" ", text)[:REASON_LIMIT]


def _moves(changes: Mapping[str, Change], step: str) -> bool:
    return step in changes and changes[step].action not in AS_RELEASED


def _foreseen(target: Target, changes: Mapping[str, Change], was: Figures | None) -> tuple[Figures, bool, int | None]:
    """What is known without building: all of what stays as released, and an accuracy that was measured before."""
    stays = {
        step: change.action in AS_RELEASED
        for step in (target.measured_step, target.image_step, target.firmware_step, target.twin_step)
        if (change := changes.get(step)) is not None
    }
    if was is not None and all(stays.values()):
        return was, True, 0
    squeezed = changes.get(target.measured_step)
    facts = squeezed.released if squeezed is not None and stays[target.measured_step] else None
    known = Figures()
    if facts:
        known = Figures(_interval(facts), facts.get("int8_loss"), variant=facts.get("variant"))
    unmoved = was is not None and stays.get(target.image_step, True) and stays.get(target.firmware_step, True)
    return known, False, 0 if unmoved else None


def _figures(offered: BoardEntry, board: str, costs: Costs) -> Figures:
    figures = offered.figures
    instructions = figures.get("instructions")
    return Figures(
        accuracy=_interval(figures),
        int8_loss=figures.get("int8_loss"),
        flash_bytes=figures.get("flash_bytes"),
        ram_bytes=figures.get("ram_bytes"),
        instructions=instructions,
        milliseconds=costs.milliseconds(board, instructions) if instructions else None,
        image_bytes=figures.get("image_bytes"),
        proof_model=offered.proof.model,
        proof_firmware=offered.proof.firmware,
        variant=figures.get("variant"),
    )


def _interval(facts: Mapping[str, Any]) -> Interval | None:
    found = facts.get("accuracy_int8")
    return Interval(found["point"], found["low"], found["high"]) if found else None


def _air_bytes(before: Mapping[str, Sent], after: Mapping[str, Sent]) -> int:
    """What a device of before is sent to become one of after."""
    return sum(file.bytes_after(before[kind]) if kind in before else file.bytes for kind, file in after.items())


def _entry(manifest: Manifest | None, fleet: str) -> FleetEntry | None:
    return manifest.fleets.get(fleet) if manifest else None


def _offered(manifest: Manifest | None, fleet: str, board: str) -> BoardEntry | None:
    entry = _entry(manifest, fleet)
    return entry.boards.get(board) if entry else None
