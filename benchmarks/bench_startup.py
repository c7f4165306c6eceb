"""How long a command takes to start: whole processes, interleaved with a bare interpreter's.

python benchmarks/bench_startup.py [rounds]
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from _repository import example, release, use_released
from _timing import budget, heading, interleaved, program, python, ratio, table, tinyops

from tinyops.process import run

HEAVY = ("ai_edge_litert", "cffi", "elftools", "keras", "numpy", "platformio", "tensorflow", "tflite_micro")
HELP_S, PLAN_S = 0.2, 0.5
COMMANDS = {
    "tinyops --help": (("--help",), HELP_S),
    "tinyops validate": (("validate",), None),
    "tinyops plan, nothing to do": (("plan",), PLAN_S),
}


def main(rounds: int) -> None:
    heading("Start: median of whole processes")
    with tempfile.TemporaryDirectory() as folder:
        root = _released_example(Path(folder))
        cases = {
            "python -c pass": lambda: python("pass", cwd=root),
            "python, importing pydantic": lambda: python("from pydantic import BaseModel", cwd=root),
            **{name: lambda a=arguments: tinyops(*a, cwd=root) for name, (arguments, _) in COMMANDS.items()},
        }
        samples = interleaved(cases, rounds)
        bare, pydantic = (sample.median_s for sample in list(samples.values())[:2])
        rows = []
        for name, sample in samples.items():
            limit = COMMANDS[name][1] if name in COMMANDS else None
            verdict = "-" if limit is None else budget(sample.median_s, limit)
            median = f"{sample.median_s:.3f} s"
            rows.append((name, median, ratio(sample.median_s, bare), ratio(sample.median_s, pydantic), verdict))
        table(("whole process", f"median of {rounds}", "of python", "of pydantic", "budget"), rows)
        for name, (arguments, _) in COMMANDS.items():
            print(f"{name}: heavy modules imported: {', '.join(_heavy(arguments, root)) or 'none'}")


def _released_example(folder: Path) -> Path:
    """The example with its own last release, or with a made-up one when that is not what the specs ask for."""
    root = example(folder / "example")
    tinyops("lock", cwd=root)
    if use_released(root) and tinyops("plan", "--detailed-exitcode", cwd=root, check=False).returncode == 0:
        print("plan: against the release that `make demo` made here")
        return root
    again = example(folder / "again")
    tinyops("lock", cwd=again)
    release(again)
    print("plan: against a made-up release (no current one of `make demo` is here)")
    return again


def _heavy(arguments: tuple[str, ...], root: Path) -> list[str]:
    """The heavy modules that a command imports, as the interpreter itself reports them."""
    done = run([sys.executable, "-X", "importtime", program(), *arguments], timeout_s=60, cwd=root)
    imported = {name.split(".")[0] for name in re.findall(r"\| +(\S+)$", done.stderr, flags=re.MULTILINE)}
    if "tinyops" not in imported:
        raise SystemExit("the interpreter reported no imports")
    return sorted(imported & set(HEAVY))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
