"""What every benchmark shares: timing whole processes, and printing figures beside what they are compared with."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyops.cli.output import Output
from tinyops.process import Completed, run

TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Sample:
    """Seconds that something took, each time it was done."""

    seconds: tuple[float, ...]

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> str:
        return f"{min(self.seconds):.3f} to {max(self.seconds):.3f}"


def interleaved(cases: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Sample]:
    """Does every case once a round, so that a slow minute of the machine falls on all of them.

    One round more than asked for comes first and is not counted: it fills the disk's cache.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, case in cases.items():
            took = timed(case)
            if number:
                seconds[name].append(took)
    return {name: Sample(tuple(values)) for name, values in seconds.items()}


def timed(case: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    begin = time.perf_counter()
    case()
    return time.perf_counter() - begin


def tinyops(*arguments: str | Path, cwd: Path, check: bool = True) -> Completed:
    """One whole `tinyops` process, as a user starts it."""
    return run([program(), *arguments], timeout_s=TIMEOUT_S, cwd=cwd, env=_quiet(), check=check)


def python(code: str, *, cwd: Path) -> Completed:
    """One whole interpreter that runs a line of code."""
    return run([sys.executable, "-c", code], timeout_s=TIMEOUT_S, cwd=cwd, env=_quiet())


def program() -> Path:
    """The `tinyops` that is installed beside this interpreter."""
    return Path(sys.executable).parent / "tinyops"


def heading(title: str) -> None:
    """What is measured, on what. No host name: figures travel."""
    print(f"\n{title}")
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned, as the command line prints its tables."""
    print(Output(json=False).table(headers, rows), flush=True)


def ratio(figure: float, reference: float) -> str:
    return f"{figure / reference:.2f}x" if reference else "-"


def budget(figure_s: float, limit_s: float) -> str:
    """Whether a promise was kept here: said, never asserted."""
    return f"{'within' if figure_s <= limit_s else 'OVER'} {limit_s:g} s"


def _quiet() -> dict[str, str]:
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "NO_COLOR": "1", "TERM": "dumb"}
