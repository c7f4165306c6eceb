"""Which fleets may move: their steps ended well, their gates are reached or lifted, their proof suffices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from tinyops.artifacts import Record, closure
from tinyops.build.execute import Outcome
from tinyops.build.measurements import FOLDER, Clock
from tinyops.datasets.findings import errors_of
from tinyops.manifest.choice import read_choice
from tinyops.manifest.document import FleetEntry
from tinyops.plan import NO_WISH, Action, Plan, Wish
from tinyops.plan.findings import DataFinding
from tinyops.plan.gates import Miss, missed_board_gates, missed_chain, missed_gates, missed_proof, waived
from tinyops.reconcile.assemble import fleet_steps, new_files
from tinyops.reconcile.rollout.quarantine import lifting, quarantined
from tinyops.reconcile.selection import standing
from tinyops.reconcile.world import World
from tinyops.specs.gates import NO_GATES, Override
from tinyops.specs.model import Fleet
from tinyops.specs.targets import Target


@dataclass(frozen=True)
class Judgement:
    """Why fleets may not move, and which overrides let others move all the same.

    `models` are the digests of the int8 models of each fleet that was judged, by board: what an override names.
    `awaiting` are protected fleets whose plan too few people have signed: that they wait is worth no release.
    """

    missed: Mapping[str, tuple[Miss, ...]] = field(default_factory=dict)
    overridden: Mapping[str, tuple[Override, ...]] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    awaiting: Mapping[str, Miss] = field(default_factory=dict)

    @property
    def held(self) -> dict[str, tuple[Miss, ...]]:
        """Every fleet that does not move, for whatever reason."""
        waiting = {fleet: (miss,) for fleet, miss in self.awaiting.items() if fleet not in self.missed}
        return {**self.missed, **waiting}

    @property
    def reasons(self) -> dict[str, tuple[str, ...]]:
        return {fleet: tuple(map(str, missed)) for fleet, missed in self.held.items()}


def today() -> date:
    """In UTC: overrides end on the same day everywhere."""
    return datetime.now(UTC).date()


def judge(world: World, outcome: Outcome, day: date, wish: Wish = NO_WISH) -> Judgement:
    """Judges every fleet that is asked for by what was built."""
    missed: dict[str, tuple[Miss, ...]] = {}
    overridden: dict[str, tuple[Override, ...]] = {}
    models: dict[str, Mapping[str, str]] = {}
    still = standing(world.fleets, wish)
    for name, fleet in world.fleets.items():
        if name in still:
            continue
        found = (*_failed(world, fleet, outcome),)
        if not found:
            models[name] = model_digests(world.targets[name], outcome.records)
            found, lifted = _judge_built(world, fleet, outcome.records, day)
            if lifted:
                overridden[name] = lifted
        if found:
            missed[name] = found
    return Judgement(missed, overridden, models)


def judge_released(world: World, day: date, fleets: Iterable[str]) -> Judgement:
    """Which gates of today's specs the released figures miss: a gate may be newer than its model."""
    missed: dict[str, tuple[Miss, ...]] = {}
    models: dict[str, Mapping[str, str]] = {}
    for name in fleets:
        fleet, entry = world.fleets.get(name), world.manifest.fleets.get(name) if world.manifest else None
        records = world.released_records
        if fleet is None or entry is None or not all(t.measured_step in records for t in world.targets[name].values()):
            continue
        models[name] = model_digests(world.targets[name], records)
        figures = {board: offered.figures for board, offered in entry.boards.items()}
        files = {b: (o.model.digest, *([o.firmware.digest] if o.firmware else ())) for b, o in entry.boards.items()}
        found = (
            *_model_misses(world, fleet, records),
            *_board_misses(world, fleet, figures, None),
            *quarantined(files, world.progress.get(name)),
        )
        found = (*_with_nearest(found, world.targets[name], records),)
        left, _ = waived(found, _overrides(world, fleet), models[name], day)
        if left:
            missed[name] = left
    return Judgement(missed, {}, models)


def held_fleets(world: World, plan: Plan) -> Judgement:
    """The fleets that gates hold though nothing of them changes, and why: neither suspended nor left out."""
    held = [c.subject for c in plan.changes if c.kind == "fleet" and c.action is Action.HELD]
    still = standing(world.fleets, Wish(only=frozenset(plan.only)))
    return judge_released(world, today(), [name for name in held if name not in still])


def foreseen(world: World, plan: Plan, findings: Sequence[DataFinding]) -> Judgement:
    """As `held_fleets`, and fleets that would be held because their dataset is wrong by its index."""
    held, moving = held_fleets(world, plan), {c.subject for c in plan.pending if c.kind == "fleet"}
    said = {f.dataset: f.finding for f in reversed(findings) if f.finding.level == "error"}
    wrong = {
        name: (Miss(f"collect:{dataset}", f"{said[dataset].check}: {said[dataset].message}"),)
        for name, fleet in world.fleets.items()
        if name in moving and (dataset := _dataset(world, fleet)) in said
    }
    return replace(held, missed={**held.missed, **wrong})


def _dataset(world: World, fleet: Fleet) -> str:
    """What the fleet's model is made of; "" for none, and for a model that is pinned by its digest."""
    return "" if fleet.spec.is_pinned else world.repository.models[fleet.spec.model_name].document.spec.dataset or ""


def _failed(world: World, fleet: Fleet, outcome: Outcome) -> Iterator[Miss]:
    ids = closure(fleet_steps(world.targets[fleet.name]), world.steps_by_id)
    for step in sorted(ids & set(outcome.errors)):
        yield Miss(step, outcome.errors[step].message.splitlines()[0])


def _judge_built(
    world: World, fleet: Fleet, records: Mapping[str, Record], day: date
) -> tuple[tuple[Miss, ...], tuple[Override, ...]]:
    targets = world.targets[fleet.name]
    proven = {name: records[target.twin_step].facts for name, target in targets.items()}
    entry = world.manifest.fleets.get(fleet.name) if world.manifest else None
    files = {name: new_files(target, records) for name, target in targets.items()}
    found = (
        *_model_misses(world, fleet, records),
        *_shrunk(world, fleet, records),
        *_unfit(world, fleet, records),
        *(miss for board, facts in proven.items() for miss in missed_proof(fleet, board, facts["proof"])),
        *_chain_misses(fleet, targets, records),
        *_board_misses(world, fleet, proven, entry),
        *quarantined(files, world.progress.get(fleet.name)),
    )
    found = (*_with_nearest(found, targets, records),)
    return waived(found, _overrides(world, fleet), model_digests(targets, records), day)


def _overrides(world: World, fleet: Fleet) -> tuple[Override, ...]:
    released = world.manifest.fleets.get(fleet.name) if world.manifest else None
    return lifting(fleet.spec.overrides, released, world.progress.get(fleet.name))


def model_digests(targets: Mapping[str, Target], records: Mapping[str, Record]) -> dict[str, str]:
    """Of the int8 model of each target, whole: what its overrides name."""
    return {name: records[target.measured_step].outputs["int8.tflite"].digest for name, target in targets.items()}


def _with_nearest(
    missed: Iterable[Miss], targets: Mapping[str, Target], records: Mapping[str, Record]
) -> Iterator[Miss]:
    """Misses that say so where no variant of the model keeps the gate."""
    for miss in missed:
        target = targets.get(miss.board or "")
        choice = read_choice(records[target.measured_step]) if target is not None else None
        if choice is not None and miss.gate in choice.unmet:
            text = f"{miss.text}; of {len(choice.candidates)} variants {choice.picked} comes nearest"
            miss = replace(miss, text=text)
        yield miss


def _model_misses(world: World, fleet: Fleet, records: Mapping[str, Record]) -> tuple[Miss, ...]:
    """A model that all boards have is judged once; where they chose, each board's is."""
    gates = world.repository.models[fleet.spec.model_name].document.spec.gates
    targets = world.targets[fleet.name]
    steps = {target.measured_step: name for name, target in targets.items()}
    if len(steps) == 1 < len(targets) or not any("variant" in records[step].facts for step in steps):
        return tuple(miss for step in steps for miss in missed_gates(gates, records[step].facts))
    return tuple(
        replace(miss, board=board, text=f"{board}, {records[step].facts['variant']}: {miss.text}")
        for step, board in steps.items()
        for miss in missed_gates(gates, records[step].facts)
    )


def _shrunk(world: World, fleet: Fleet, records: Mapping[str, Record]) -> Iterator[Miss]:
    """The fleet's dataset lost more of its recordings than the project lets go."""
    step = f"collect:{world.repository.models[fleet.spec.model_name].document.spec.dataset}"
    if fleet.spec.is_pinned or step not in records or step not in world.released_records:
        return
    old, new = (found[step].facts.get("recordings", 0) for found in (world.released_records, records))
    most = world.repository.project.document.spec.limits.shrink_share
    if old and (old - new) / old > most:
        text = f"{step}: {old:,} → {new:,} recordings, {(old - new) / old:.0%} fewer, limits.shrink_share is {most:.0%}"
        yield Miss("shrink_max", text)


def _unfit(world: World, fleet: Fleet, records: Mapping[str, Record]) -> Iterator[Miss]:
    """What the checks that look beyond the dataset itself say of one that is new: drift, windows."""
    dataset = _dataset(world, fleet)
    step = f"collect:{dataset}"
    if step in records and world.released_records.get(step) != records[step]:
        for found in errors_of(world.data_findings.get(dataset, ())):
            yield Miss(f"checks.{found.check}", found.message)


def _chain_misses(fleet: Fleet, targets: Mapping[str, Target], records: Mapping[str, Record]) -> Iterator[Miss]:
    chain = next(iter(targets.values())).chain_step
    if chain is not None:
        yield from missed_chain(fleet, records[chain].facts)


def _board_misses(
    world: World, fleet: Fleet, figures: Mapping[str, Mapping[str, Any]], before: FleetEntry | None
) -> Iterator[Miss]:
    clock = Clock(world.root / FOLDER)
    for board, binding in fleet.spec.targets.items():
        gates = fleet.spec.gates.under(binding.gates)
        if board not in figures or gates == NO_GATES:
            continue
        was = before.boards[board].figures if before and board in before.boards else None
        instructions = figures[board].get("instructions")
        milliseconds = clock(board, instructions) if gates.latency_ms_max and instructions else None
        yield from missed_board_gates(gates, board, figures[board], before=was, milliseconds=milliseconds)
