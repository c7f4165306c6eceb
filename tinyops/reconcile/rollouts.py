"""The rollouts that are under way: waves from the release, their progress from where it is published."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from tinyops.manifest.entry import rollout_for
from tinyops.reconcile.needs import CRASHES_PER_DAY_MAX, HealthRules
from tinyops.reconcile.wanting import Rollout, Rollouts
from tinyops.reconcile.world import World


def read_rollouts(world: World) -> Rollouts:
    """By fleet, those of the release that is offered. Raises RemoteError for a progress that cannot be true."""
    return {
        name: Rollout({board: rollout_for(entry.rollout, board) for board in entry.boards}, world.progress.get(name))
        for name, entry in (world.offered.fleets if world.offered else {}).items()
        if entry.rollout is not None
    }


def silences(world: World) -> Mapping[str, timedelta]:
    """After which time without a report a fleet's device counts as silent, where its spec says so."""
    specs = {name: fleet.spec.rollout for name, fleet in world.fleets.items()}
    return {name: timedelta(hours=rules.silent_after_h) for name, rules in specs.items() if rules is not None}


def health_rules(world: World) -> Mapping[str, HealthRules]:
    """What each fleet's rollout asks of its devices' health, where its spec says so."""
    found = {}
    for name, silent_after in silences(world).items():
        rules = world.fleets[name].spec.rollout
        crashes = rules.health.crashes_per_day_max if rules is not None else None
        found[name] = HealthRules(CRASHES_PER_DAY_MAX if crashes is None else crashes, silent_after)
    return found
