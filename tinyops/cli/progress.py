"""What runs now, on a terminal as live lines with time left, in a pipe as one line an event."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from tinyops.artifacts import Progress, Step
from tinyops.cli.output import log
from tinyops.errors import TinyopsError

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

VERBS = {
    "collect": "collect",
    "train": "train",
    "squeeze": "quantise",
    "split": "cut",
    "part": "cut out",
    "cost": "measure",
    "fits": "decide about",
    "choose": "choose for",
    "compile": "compile",
    "image": "build image",
    "firmware": "build firmware",
    "twin": "run twin",
    "chain": "run chain",
}
LABEL_WIDTH = 34


def label(step: Step) -> str:
    return f"{VERBS.get(step.kind, step.kind)} {step.subject}".ljust(LABEL_WIDTH)


def line(step: Step, how: str, seconds: float) -> str:
    took = f" in {seconds:.1f} s" if how == "built" else ""
    return f"  {label(step)} {'done' if how == 'built' else how}{took}"


class PlainWatcher:
    """One line on standard error when a step starts and ends, for pipes and CI; none at all when `quiet`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def __enter__(self) -> PlainWatcher:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def started(self, step: Step) -> None:
        self._say(f"  {label(step)} …")

    def progress(self, step: Step, progress: Progress) -> None:
        """Says only what is announced: a log wants events, not percentages."""
        if progress.announce:
            self._say(f"  {label(step)} {progress.message}")

    def finished(self, step: Step, how: str, seconds: float) -> None:
        if how == "built":
            self._say(line(step, how, seconds))

    def failed(self, step: Step, error: TinyopsError) -> None:
        self._say(f"  {label(step)} FAILED: {error.message.splitlines()[0]}")

    def note(self, text: str) -> None:
        self._say(f"  {text}")

    def warning(self, text: str) -> None:
        """Said even when `quiet`: standard error is no part of the JSON."""
        log(f"warning: {text}")

    def _say(self, text: str) -> None:
        if not self._quiet:
            log(text)


class LiveWatcher:
    """A bar for each running step; a finished one becomes a line above them."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bars: Bars = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[message]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True, highlight=False),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> LiveWatcher:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def started(self, step: Step) -> None:
        with self._lock:
            self._tasks[step.id] = self._bars.add_task(label(step), total=None, message="")

    def progress(self, step: Step, progress: Progress) -> None:
        with self._lock:
            total = progress.total or None
            self._bars.update(self._tasks[step.id], completed=progress.done, total=total, message=progress.message)

    def finished(self, step: Step, how: str, seconds: float) -> None:
        self._end(step, f"[green]✓[/green]{line(step, how, seconds)[1:]}" if how == "built" else "")

    def failed(self, step: Step, error: TinyopsError) -> None:
        from rich.markup import escape

        self._end(step, f"[red]✗[/red] {label(step)} {escape(error.message.splitlines()[0])}")

    def note(self, text: str) -> None:
        from rich.markup import escape

        self._bars.console.print(f"  {escape(text)}")

    def warning(self, text: str) -> None:
        from rich.markup import escape

        self._bars.console.print(f"[yellow]warning:[/yellow] {escape(text)}")

    def _end(self, step: Step, text: str) -> None:
        with self._lock:
            if step.id in self._tasks:
                self._bars.remove_task(self._tasks.pop(step.id))
            if text:
                self._bars.console.print(text)


def watcher(*, json: bool) -> PlainWatcher | LiveWatcher:
    """The watcher that fits where the output goes."""
    if json:
        return PlainWatcher(quiet=True)
    return LiveWatcher() if sys.stderr.isatty() else PlainWatcher()
