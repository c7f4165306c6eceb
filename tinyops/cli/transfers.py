"""How updates go, on a terminal as a bar for each device with rate and time left, in a pipe as lines."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

from tinyops.cli.output import log
from tinyops.device.update.pace import Pace

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

SAY_EVERY = 10  # per cent
SAY_AGAIN_S = 1.0


def pace_text(pace: Pace, done: int, total: int) -> str:
    """`52 %, 8.1 kB/s, 12 s left`, as far as it is known."""
    parts = [f"{100 * done // total} %"] if total else []
    if rate := pace.bytes_per_s:
        parts.append(f"{rate / 1000:.1f} kB/s")
    if (left_s := pace.left_s(total)) is not None:
        parts.append(f"{left_s:.0f} s left")
    return ", ".join(parts)


class PlainTransfers:
    """A line on standard error for each event, and for every tenth of an image, one a second; none when `quiet`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet, self._lock = quiet, threading.Lock()
        self._paces: dict[str, Pace] = {}
        self._said: dict[str, tuple[int, float]] = {}  # the last tenth, and when

    def __enter__(self) -> PlainTransfers:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def said(self, device: str, text: str) -> None:
        if not self._quiet:
            log(f"  {device}: {text}")

    def moved(self, device: str, done: int, total: int) -> None:
        if self._quiet:
            return
        with self._lock:
            pace = self._paces.setdefault(device, Pace())
            now, tenth = time.monotonic(), 100 * done // total // SAY_EVERY
            pace.mark(now, done)
            before, when = self._said.setdefault(device, (0, now))
            new = tenth != before and (now - when >= SAY_AGAIN_S or done == total)
            self._said[device] = (tenth, now) if new else (before, when)
        if new:
            log(f"  {device}: {pace_text(pace, done, total)}")


class LiveTransfers:
    """A bar for each device that is being sent something; what devices say stands above them."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._bars: Bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[pace]}"),
            console=Console(stderr=True, highlight=False),
            transient=True,
        )
        self._tasks: dict[str, tuple[TaskID, Pace]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> LiveTransfers:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def said(self, device: str, text: str) -> None:
        from rich.markup import escape

        self._bars.console.print(f"  {escape(device)}: {escape(text)}")

    def moved(self, device: str, done: int, total: int) -> None:
        from rich.markup import escape

        with self._lock:
            if device not in self._tasks:
                self._tasks[device] = self._bars.add_task(escape(device), total=total, pace=""), Pace()
            task, pace = self._tasks[device]
            pace.mark(time.monotonic(), done)
            self._bars.update(task, completed=done, total=total, pace=pace_text(pace, done, total))
            if done == total:
                self._bars.remove_task(task)
                del self._tasks[device]


def transfers(*, json: bool) -> PlainTransfers | LiveTransfers:
    """The watch that fits where the output goes."""
    if json:
        return PlainTransfers(quiet=True)
    return LiveTransfers() if sys.stderr.isatty() else PlainTransfers()
