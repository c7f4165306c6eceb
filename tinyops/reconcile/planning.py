"""The plan that follows from what was observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinyops.artifacts import Record
from tinyops.errors import UnsafePlan, UsageError
from tinyops.manifest.document import Manifest
from tinyops.plan import NO_WISH, Plan, Released, Wish, make_plan
from tinyops.reconcile.judging import judge_released, today
from tinyops.reconcile.world import World
from tinyops.specs.model import Fleet


def plan_of(world: World, wish: Wish = NO_WISH) -> Plan:
    """What apply would do. Raises UnsafePlan for what must not happen by accident."""
    if unknown := sorted(wish.replace - {step.id for step in world.steps}):
        raise UsageError(f"--replace {unknown[0]}: no such step", hint="`tinyops plan --all` lists every step")
    retired = {line.fleet: line for line in world.repository.project.document.spec.retired}
    released = _released_fleets(world.manifest)
    _refuse_lost_fleets(world, set(retired), released)
    desired: dict[str, Any] = {name: fleet_json(fleet) for name, fleet in world.fleets.items()}
    desired |= {n: {**released[n], "retired": True} for n in retired if n in released and n not in desired}
    return make_plan(
        project=world.repository.project.document.metadata.name,
        steps=world.steps,
        fleets=desired,
        released=_released(world, released),
        bound=world.bound,
        wish=wish,
        suspended={n: f.spec.suspended.reason for n, f in world.fleets.items() if f.spec.suspended is not None},
    )


def _released(world: World, fleets: Mapping[str, Any]) -> Released:
    manifest = world.manifest
    if manifest is None:
        return Released()

    def earlier(kind: str, key: str) -> tuple[Record, int] | None:
        found = world.pins.get(key) or (world.past.find(kind, key) if world.past else None)
        return (found.record, found.manifest.version) if found else None

    left_out = {h.fleet: f"held since v{h.since}: {h.reason}" for h in manifest.held}
    return Released(
        manifest.version,
        manifest.steps,
        fleets,
        judge_released(world, today(), world.fleets).reasons,
        left_out,
        earlier,
    )


def fleet_json(fleet: Fleet) -> dict[str, Any]:
    """What of a fleet its devices see, beside the files that its steps make."""
    return {
        "model": fleet.spec.model_name,
        "security_counter": fleet.spec.security_counter,
        "boards": sorted(fleet.spec.boards),
        "retired": False,
    }


def _released_fleets(manifest: Manifest | None) -> dict[str, Any]:
    return {
        name: {
            "model": entry.model,
            "security_counter": entry.security_counter,
            "boards": sorted(entry.boards),
            "retired": entry.retired is not None,
        }
        for name, entry in (manifest.fleets if manifest else {}).items()
    }


def _refuse_lost_fleets(world: World, retired: set[str], released: Mapping[str, Any]) -> None:
    for name, entry in released.items():
        if name not in world.fleets and name not in retired and not entry["retired"]:
            raise UnsafePlan(
                f"fleet {name} is released but no spec names it: its devices would lose their entry",
                hint=f"bring its spec back, or list {name} under the project's `retired` with an action and a date",
            )
        if name in world.fleets and released[name]["security_counter"] > world.fleets[name].spec.security_counter:
            raise UnsafePlan(
                f"fleet {name}: security_counter {world.fleets[name].spec.security_counter} is lower than the "
                f"released {released[name]['security_counter']}: devices would refuse the release",
                hint="a security counter only rises",
            )
