"""A finished model compiled for its board and measured in the twin, right after `tinyops init --from`."""

from __future__ import annotations

import os
from pathlib import Path

from tinyops.cli.output import Output
from tinyops.errors import ToolError
from tinyops.files import JsonObject


def compile_and_prove(root: Path, output: Output) -> tuple[list[JsonObject], list[str]]:
    """Builds a new repository up to the twins and publishes nothing.

    Returns the figures as JSON and as lines of text. Raises ToolError when a step failed.
    """
    from tinyops.cli.progress import watcher
    from tinyops.reconcile.apply import preview
    from tinyops.reconcile.planning import plan_of
    from tinyops.reconcile.world import observe
    from tinyops.report.table import FOOTNOTE, HEADERS, figure_json, rows

    world = observe(root)
    with watcher(json=output.json) as watching:
        built = preview(world, plan_of(world), watching, jobs=os.cpu_count() or 1)
    if built.manifest is None:
        raise next(iter(built.errors.values()), ToolError("nothing was built"))
    return figure_json(built.manifest), [output.table(HEADERS, rows(built.manifest)), FOOTNOTE]
