"""How long the main job takes on a machine that is set up: specs to a release that a device runs, in a fresh copy.

python benchmarks/bench_demo.py [--no-tests]
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from _repository import KEY, ROOT, example
from _timing import budget, heading, ratio, table, timed, tinyops

from tinyops.process import run

DEMO_S, TESTS_S, PLAN_S = 180.0, 30.0, 0.5
DONE = re.compile(r"^  (\S.*?)\s+done in ([0-9.]+) s$", re.MULTILINE)


def main(*, tests: bool) -> None:
    heading("The demo, from nothing")
    with tempfile.TemporaryDirectory() as folder:
        root = example(Path(folder) / "demo")
        rows, steps = _demo(root)
    if tests:
        suite = [sys.executable, "-m", "pytest", "-q", "-m", "not build", "-p", "no:cacheprovider"]
        ended: list[int] = []
        took = timed(lambda: ended.append(run(suite, timeout_s=600, cwd=ROOT, check=False).returncode))
        verdict = budget(took, TESTS_S) if ended == [0] else f"FAILED with status {ended[0]}"
        rows.append(("the fast test suite", f"{took:.2f} s", "-", verdict))
    table(("what", "took", "of the first apply", "budget"), rows)
    _print_steps(steps)


def _demo(root: Path) -> tuple[list[tuple[str, str, str, str]], list[tuple[str, float]]]:
    """Rows of the table, and the seconds of each step of the first apply."""
    tinyops("lock", cwd=root)
    tinyops("keys", "new", KEY, cwd=root)
    said: list[str] = []
    first = timed(lambda: said.append(tinyops("apply", cwd=root).stderr))
    pull = ("--once", "--store", ".tinyops/releases", "--trust", ".tinyops/trusted.pem", "--state", ".tinyops/device")
    agent = timed(lambda: tinyops("agent", *pull, "--fleet", "wrist", "--board", "linux", cwd=root))
    second = timed(lambda: tinyops("apply", cwd=root))
    plan = timed(lambda: tinyops("plan", "--detailed-exitcode", cwd=root))
    rows = [
        ("apply, nothing there yet", f"{first:.2f} s", "1.00x", "-"),
        ("agent --once, first pull", f"{agent:.2f} s", ratio(agent, first), "-"),
        ("both: the demo", f"{first + agent:.2f} s", ratio(first + agent, first), budget(first + agent, DEMO_S)),
        ("apply, nothing to do", f"{second:.2f} s", ratio(second, first), "-"),
        ("plan, nothing to do", f"{plan:.2f} s", ratio(plan, first), budget(plan, PLAN_S)),
    ]
    return rows, [(name, float(seconds)) for name, seconds in DONE.findall(said[0])]


def _print_steps(steps: list[tuple[str, float]]) -> None:
    total = sum(seconds for _, seconds in steps)
    print("\nSteps of the first apply, longest first; several run at once, so they add up to more than it took")
    longest = sorted(steps, key=lambda step: -step[1])
    table(("step", "took", "share"), [(n, f"{s:.1f} s", f"{s / total:.0%}") for n, s in longest if s >= 0.05])


if __name__ == "__main__":
    main(tests="--no-tests" not in sys.argv)
