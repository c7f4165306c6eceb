"""One job of the matrix: some steps and what they need, and nothing published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.artifacts import closure
from tinyops.build.execute import Outcome, Watcher
from tinyops.build.runners import LocalRunner
from tinyops.ci.passing import hand_on
from tinyops.documents import closest
from tinyops.errors import UsageError
from tinyops.reconcile.apply import run_steps
from tinyops.reconcile.storing import open_store
from tinyops.reconcile.world import World


def build_steps(world: World, ids: Sequence[str], watcher: Watcher, *, jobs: int) -> Outcome:
    """Runs these steps and all stale ones that they read. Raises UsageError for a step that there is not."""
    if unknown := [i for i in ids if i not in world.steps_by_id]:
        hint = closest(unknown[0], world.steps_by_id) or "`tinyops plan --all` lists every step"
        raise UsageError(f"{unknown[0]}: no such step", hint=hint)
    wanted = closure(ids, world.steps_by_id)
    store = open_store(world.repository, warn=watcher.warning)
    with store.using():
        steps = [step for step in world.steps if step.id in wanted]
        return run_steps(world, store, steps, watcher, runner=LocalRunner(jobs))


def hand_on_new(world: World, outcome: Outcome, folder: Path) -> int:
    """What no release holds of what was built, into a folder; returns how many records."""
    new = [r for i, r in outcome.records.items() if world.recall(world.steps_by_id[i], r.key) is None]
    return hand_on(open_store(world.repository), new, folder)
