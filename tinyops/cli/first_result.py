"""A finished model compiled for its board and measured in the twin, right after `tinyops init --from`."""

from __future__ import annotations

import os
from pathlib import Path

from tinyops.cli.missed import report
from tinyops.cli.output import Output
from tinyops.errors import ToolError
from tinyops.files import JsonObject


def compile_and_prove(root: Path, output: Output) -> tuple[list[JsonObject], list[str]]:
    """Locks the new repository, builds it up to the twins, publishes nothing.

    Returns the figures as JSON and as lines of text. Raises ToolError when a step failed.
    """
    from tinyops.cli.progress import watcher
    from tinyops.files import write_atomic
    from tinyops.reconcile.apply import preview
    from tinyops.reconcile.locking import lock_of
    from tinyops.reconcile.world import observe, plan_of
    from tinyops.report.table import FOOTNOTE, HEADERS, figure_json, rows
    from tinyops.specs.lock import LOCK_FILE, dump_lock

    write_atomic(root / LOCK_FILE, dump_lock(lock_of(root)))
    world = observe(root)
    with watcher(json=output.json) as watching:
        built = preview(world, plan_of(world), watching, jobs=os.cpu_count() or 1)
    if built.manifest is None:
        report(built.missed, built.errors, output)
        raise next(iter(built.errors.values()), ToolError("nothing was built"))
    return figure_json(built.manifest), [output.table(HEADERS, rows(built.manifest)), FOOTNOTE]
