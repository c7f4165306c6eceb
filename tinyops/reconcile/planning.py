"""The plan that follows from what was observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinyops.artifacts import Record
from tinyops.build.trust import find_trust
from tinyops.errors import UsageError
from tinyops.manifest.document import Manifest
from tinyops.plan import NO_WISH, Plan, Released, Wish, make_plan
from tinyops.reconcile.cut_faults import check_cuts
from tinyops.reconcile.judging import judge_released, today
from tinyops.reconcile.rollout.promised import mark_terms, with_rollouts
from tinyops.reconcile.safety import check_safe, find_override
from tinyops.reconcile.selection import standing
from tinyops.reconcile.signing import distrusted
from tinyops.reconcile.world import World
from tinyops.specs.model import Fleet

OTHER_KEY = "signed with another key, as an override says"


def plan_of(world: World, wish: Wish = NO_WISH) -> Plan:
    """What apply would do. Raises UnsafePlan for what must not happen by accident, SpecError for cuts that the
    model does not have."""
    if unknown := sorted(wish.replace - {step.id for step in world.steps}):
        raise UsageError(f"--replace {unknown[0]}: no such step", hint="`tinyops plan --all` lists every step")
    lines = world.repository.project.document.spec.retired
    retired = [line.fleet for line in lines if line.until >= today()]
    released = released_fleets(world.manifest)
    check_cuts(world.repository)
    check_safe(world, today())
    desired: dict[str, Any] = {name: fleet_json(fleet) for name, fleet in world.fleets.items()}
    _mark_distrusted(world, desired, released)
    mark_terms(world, desired, released, today())
    desired |= {n: {**released[n], "retired": True} for n in retired if n in released and n not in desired}
    plan = make_plan(
        project=world.repository.project.document.metadata.name,
        steps=world.steps,
        fleets=desired,
        released=_released(world, released),
        bound=world.bound,
        wish=wish,
        standing=standing(world.fleets, wish),
        because=OTHER_KEY if find_override(world, today(), "signing_key") is not None else "",
    )
    return with_rollouts(world, plan)


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


def _mark_distrusted(world: World, desired: Mapping[str, Any], released: Mapping[str, Any]) -> None:
    """A fleet whose images were signed with a key that is trusted no more gets them signed anew."""
    for name, keys in distrusted(world.manifest, find_trust(world.root)).items():
        if name in desired:
            desired[name]["distrusted_keys"], released[name]["distrusted_keys"] = [], keys


def fleet_json(fleet: Fleet) -> dict[str, Any]:
    """What of a fleet its devices see, beside the files that its steps make."""
    return {
        "model": fleet.spec.model_name,
        "security_counter": fleet.spec.security_counter,
        "boards": sorted(fleet.spec.targets),
        "prevent_destroy": fleet.spec.prevent_destroy,
        "retired": False,
    }


def released_fleets(manifest: Manifest | None) -> dict[str, Any]:
    """The same of a release."""
    return {
        name: {
            "model": entry.model,
            "security_counter": entry.security_counter,
            "boards": sorted(entry.boards),
            "prevent_destroy": entry.prevent_destroy,
            "retired": entry.retired is not None,
        }
        for name, entry in (manifest.fleets if manifest else {}).items()
    }
