"""How far a command is: on a terminal one live bar, in a pipe a line for what is announced."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from tinyops.artifacts import Progress
from tinyops.cli.output import Output, log


@contextlib.contextmanager
def working(output: Output) -> Iterator[Callable[[Progress], None]]:
    """What to tell of the progress while the block runs; `--json` wants to hear nothing."""
    if output.json or not sys.stderr.isatty():
        yield lambda progress: log(f"  {progress.message}") if progress.announce and not output.json else None
        return
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (BarColumn(bar_width=24), TextColumn("{task.description}"), TextColumn("left"), TimeRemainingColumn())
    with Bars(*columns, console=output.console, transient=True) as bars:
        task = bars.add_task("", total=None)

        def report(progress: Progress) -> None:
            bars.update(task, completed=progress.done, total=progress.total or None, description=progress.message[:60])

        yield report
