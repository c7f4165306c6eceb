"""The rollouts that are under way: waves from the release, their progress from where it is published."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from tinyops.reconcile.needs import HealthRules
from tinyops.reconcile.wanting import Rollouts
from tinyops.reconcile.world import World


def read_rollouts(world: World) -> Rollouts:
    """By fleet, those that the last release has."""
    return {}


def silences(world: World) -> Mapping[str, timedelta]:
    """After which time without a report a fleet's device counts as silent, where its spec says so."""
    return {}


def health_rules(world: World) -> Mapping[str, HealthRules]:
    """What each fleet's rollout asks of its devices' health, where its spec says so."""
    return {}
