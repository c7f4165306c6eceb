"""Which variant each board has, or would have: as specs want it now as far as it was built here, else as released."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tinyops.artifacts import Record
from tinyops.documents import closest
from tinyops.errors import UsageError
from tinyops.reconcile.garbage import desired_records
from tinyops.reconcile.world import World
from tinyops.store import Store


@dataclass(frozen=True)
class Found:
    """The records of `choose` steps, and in words what they are of."""

    records: Mapping[str, Record]
    origin: str


def found_choices(world: World) -> Found:
    """Nothing is built or asked of a network. Raises UsageError where no board chooses, or nothing was built."""
    wanted = [step.id for step in world.steps if step.kind == "choose"]
    if not wanted:
        hint = "a Model's `squeeze.variants` with more than one: docs/squeeze.md"
        raise UsageError("no model has variants to choose among, for any fleet that is not pinned", hint=hint)
    store = Store(world.store.folder, world.store.notary)
    built = desired_records(world.steps, world.recall, store)
    if any(step in built for step in wanted):
        some = {step: built[step] for step in wanted if step in built}
        return Found(some, "as the specs want it" + ("" if len(some) == len(wanted) else ", as far as it was built"))
    released = {step: world.released_records[step] for step in wanted if step in world.released_records}
    if not released:
        raise UsageError("nothing was chosen yet", hint="`tinyops plan --build` searches, `tinyops apply` releases it")
    tag = world.manifest.tag if world.manifest else ""
    return Found(released, f"as released in {tag}; the specs changed since and were not built")


def only_named(world: World, found: Found, names: Iterable[str]) -> Found:
    """Those of models, fleets, boards, or one board of a fleet (`wrist/microbit`). Raises UsageError for others."""
    chosen: dict[str, Record] = {}
    for name in names:
        mine = {step: record for step, record in found.records.items() if name in _names(world, step)}
        if not mine:
            known = sorted({one for step in found.records for one in _names(world, step)})
            raise UsageError(
                f"nothing was chosen for {name!r}", hint=closest(name, known) or f"one of {', '.join(known)}"
            )
        chosen |= mine
    return Found(chosen, found.origin) if chosen else found


def _names(world: World, step: str) -> tuple[str, ...]:
    """What a choice may be called by: its fleet's model, its fleet, its board, itself."""
    subject = step.partition(":")[2]
    fleet, _, board = subject.partition("/")
    return (world.fleets[fleet].spec.model_name, fleet, board, subject)
