"""Compiles files in a process of its own that has at most 1 GB of memory, and says of each what came of it.

python limited.py FILE ...      a line of JSON each: "compiled", or the message and hint of the refusal
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MEMORY_BYTES = 1 << 30  # of addresses, which is more than what is used of them
CPUS = ("x86-64", "cortex-m4f", "cortex-m0plus", "riscv32")


def compile_limited(files: Sequence[Path], timeout_s: float) -> list[dict[str, Any]]:
    """What became of each file: `outcome`, `seconds` of the core. A crash or no end in time is an AssertionError."""
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, *map(str, files)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def _outcome(path: Path, cpu: str) -> str:
    from tinyops.compiler import CompileOptions, compile_model
    from tinyops.errors import DoesNotFit, SpecError
    from tinyops.features import TensorFeatures
    from tinyops.graph import read_graph

    try:
        compile_model(read_graph(path), TensorFeatures(), CompileOptions(cpu=cpu, board="test"))
    except (SpecError, DoesNotFit) as refusal:
        return refusal.message
    return "compiled"


def _main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for number, name in enumerate(sys.argv[1:]):
        started = time.process_time()
        outcome = _outcome(Path(name), CPUS[number % len(CPUS)])
        print(json.dumps({"outcome": outcome, "seconds": round(time.process_time() - started, 2)}), flush=True)


if __name__ == "__main__":
    _main()
