"""The rollouts that are under way: waves from the release, their progress from where it is published."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from tinyops.manifest.entry import entry_rollout
from tinyops.manifest.progress import Progress
from tinyops.reconcile.needs import CRASHES_PER_DAY_MAX, HealthRules
from tinyops.reconcile.wanting import Rollout, Rollouts
from tinyops.reconcile.world import World


def read_rollouts(world: World) -> Rollouts:
    """By fleet, those that the last release has."""
    released = world.manifest.fleets if world.manifest else {}
    found = {name: (entry, entry.rollout) for name, entry in released.items() if entry.rollout is not None}
    return {
        name: Rollout({board: entry_rollout(rollout, board) for board in entry.boards}, _progress(world, name))
        for name, (entry, rollout) in found.items()
        if rollout is not None
    }


def _progress(world: World, fleet: str) -> Progress | None:
    return None


def silences(world: World) -> Mapping[str, timedelta]:
    """After which time without a report a fleet's device counts as silent, where its spec says so."""
    rollouts = {name: fleet.spec.rollout for name, fleet in world.fleets.items()}
    return {name: timedelta(hours=r.silent_after_h) for name, r in rollouts.items() if r is not None}


def health_rules(world: World) -> Mapping[str, HealthRules]:
    """What each fleet's rollout asks of its devices' health, where its spec says so."""
    rollouts = {name: fleet.spec.rollout for name, fleet in world.fleets.items()}
    return {
        name: HealthRules(
            crashes_per_day_max=CRASHES_PER_DAY_MAX
            if r.health.crashes_per_day_max is None
            else r.health.crashes_per_day_max,
            behind_after=timedelta(hours=r.silent_after_h),
        )
        for name, r in rollouts.items()
        if r is not None
    }
