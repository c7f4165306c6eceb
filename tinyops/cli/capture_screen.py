"""Who records: a person at a terminal with keys and a live picture, or nobody, and then a line now and then."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tinyops.cli.output import log
from tinyops.collect.capture.finishing import Kept
from tinyops.collect.capture.recording import View
from tinyops.collect.capture.session import Act
from tinyops.errors import TinyopsError
from tinyops.files import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import RenderableType
    from rich.live import Live

KEYS = {
    "\r": Act.TOGGLE,
    "\n": Act.TOGGLE,
    " ": Act.TOGGLE,
    "p": Act.PAUSE,
    "r": Act.RETAKE,
    "l": Act.LABEL,
    "q": Act.QUIT,
    "\x04": Act.QUIT,
}
HELP = "Enter starts and stops · p pauses · r drops the last take · l another label · q ends"
BARS = "▁▂▃▄▅▆▇█"
SPARK_COLUMNS, SPARK_CHANNELS = 48, 12
SAY_S = 10.0
WINDOW_S = 2.0  # that bars show
KEYS_MAX, ESCAPE = 32, "\x1b"


def sparkline(values: Sequence[float] | NDArray[np.float64], columns: int = SPARK_COLUMNS) -> str:
    """Values as bars between their lowest and highest; where several share one, that is furthest from their middle."""
    if not len(values):
        return ""
    middle = sum(values) / len(values)
    count = min(columns, len(values))
    edges = [n * len(values) // count for n in range(count + 1)]
    picked = [max(values[a:b], key=lambda v: abs(v - middle)) for a, b in pairwise(edges)]
    low, high = min(picked), max(picked)
    span = (high - low) or 1.0
    return "".join(BARS[min(int((v - low) / span * len(BARS)), len(BARS) - 1)] for v in picked)


def figures(view: View, state: str) -> str:
    """What is counted of a running take, in one line."""
    left = "" if view.seconds_left is None else f", {view.seconds_left:.1f} s left"
    rate = "" if view.rate_hz is None else f" at {view.rate_hz:.4g} Hz"
    label = view.label or "no label"
    return (
        f"{state} {label}: {view.seconds:.1f} s{left}, {view.frames:,} frames{rate}, "
        f"{view.lost:,} lost, {view.clipped:,} clipped"
    )


def summary(kept: Kept) -> str:
    """A take that lies in the dataset, in one line, and what is unusual below."""
    entry = kept.entry
    rate = "" if entry.rate_hz is None else f" at {entry.rate_hz:.4g} Hz"
    jitter = "" if kept.measured.jitter_ms is None else f" (jitter {kept.measured.jitter_ms:.2g} ms)"
    counts = f"{entry.lost or 0:,} lost, {entry.clipped or 0:,} clipped"
    label = entry.label or "no label"
    line = f"take {entry.take}: {label}, {entry.frames or 0:,} frames, {kept.seconds:.1f} s{rate}{jitter}, {counts}"
    again = ["the same recording stands in the index already"] if kept.repeated else []
    return "\n".join([line, *(f"  {note}" for note in (*again, *kept.notes))])


class Unattended:
    """Takes begin by themselves; a line every ten seconds, none when `quiet`."""

    present = False

    def __init__(self, report: Callable[[Kept], None], *, quiet: bool = False) -> None:
        self._report = report
        self._quiet = quiet
        self._said = time.monotonic()

    def act(self) -> Act | None:
        return None

    def show(self, view: View | None, state: str) -> None:
        if view is not None and not self._quiet and time.monotonic() - self._said >= SAY_S:
            self._said = time.monotonic()
            log(f"  {figures(view, state)}")

    def ask_label(self, label: str) -> str:
        return label

    def kept(self, kept: Kept) -> None:
        self._report(kept)

    def say(self, text: str) -> None:
        log(f"  {text}")


class Attended:
    """A picture on standard error; keys from standard input where that is the terminal, too."""

    def __init__(
        self, channels: Sequence[str], report: Callable[[Kept], None], check_label: Callable[[str], None], *, keys: bool
    ) -> None:
        from rich.console import Console
        from rich.live import Live

        self.present = keys
        self._typed: list[Act] = []
        self._channels = channels
        self._report = report
        self._check_label = check_label
        self._live: Live = Live(
            console=Console(stderr=True, highlight=False), auto_refresh=False, transient=True, redirect_stdout=False
        )

    @contextlib.contextmanager
    def on_screen(self) -> Iterator[Attended]:
        """The terminal gives every key at once meanwhile, and is as it was afterwards."""
        with _keys_at_once() if self.present else contextlib.nullcontext(), self._live:
            yield self

    def act(self) -> Act | None:
        if self._typed:
            return self._typed.pop(0)
        if not self.present or not select.select([sys.stdin], [], [], 0)[0]:
            return None
        keys = os.read(sys.stdin.fileno(), KEYS_MAX).decode("ascii", "replace")
        if not keys:
            return Act.QUIT
        if not keys.startswith(ESCAPE):  # with which arrows and function keys begin
            self._typed = [KEYS[key.lower()] for key in keys if key.lower() in KEYS]
        return self._typed.pop(0) if self._typed else None

    def show(self, view: View | None, state: str) -> None:
        self._live.update(self._picture(view, state), refresh=True)

    def ask_label(self, label: str) -> str:
        self._live.stop()
        try:
            with _lines_again():
                sys.stderr.write(f"label [{label}]: ")
                sys.stderr.flush()
                found = sys.stdin.readline().strip() or label
            self._check_label(found)
        except TinyopsError as error:
            self.say(str(error))
            found = label
        finally:
            self._live.start()
        return found

    def kept(self, kept: Kept) -> None:
        self._live.update("", refresh=True)
        self._report(kept)

    def say(self, text: str) -> None:
        from rich.markup import escape

        self._live.console.print(f"  {escape(printable(text))}")

    def _picture(self, view: View | None, state: str) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        picture = Table.grid(padding=(0, 2))
        if view is None:
            picture.add_row(Text(f"{state}   {HELP}" if self.present else state))
            return picture
        window = max(int(WINDOW_S * (view.rate_hz or 0.0)), SPARK_COLUMNS)
        repeat = view.recent.shape[1] // len(self._channels)
        if repeat == 1:
            for number, channel in enumerate(self._channels[:SPARK_CHANNELS]):
                values = view.recent[-window:, number]
                newest = f"{values[-1]:.4g}" if len(values) else ""
                picture.add_row(Text(channel[:16]), Text(sparkline(values)), Text(newest, justify="right"))
        whole = Table.grid()
        whole.add_row(picture)
        whole.add_row(Text(figures(view, state)))
        return whole


@contextlib.contextmanager
def _keys_at_once() -> Iterator[None]:
    import termios
    import tty

    before: list[Any] = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _lines_again() -> Iterator[None]:
    import termios

    now: list[Any] = termios.tcgetattr(sys.stdin)
    changed = [*now]
    changed[3] = now[3] | termios.ICANON | termios.ECHO
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, now)
