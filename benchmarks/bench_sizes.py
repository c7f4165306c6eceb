"""What the whole application takes of a board: firmware with management, health, runtime, and the example's model.

python benchmarks/bench_sizes.py
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from _timing import heading, table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fakes.footprint import Footprint, measure

KIB = 1024
BUDGETS = (
    ("microbit", "whole application, flash", 24 * KIB, lambda found: found.flash),
    ("microbit", "whole application, RAM", 8 * KIB, lambda found: found.ram),
    ("nano33ble", "runtime without a model, flash", 12 * KIB, lambda found: found.runtime),
)
PARTS = (
    "firmware",
    "cryptography",
    "settings",
    "model_code",
    "model_weights",
    "model_image",
    "static_ram",
    "arena",
    "stack",
)


def main() -> int:
    heading("Sizes, bytes")
    found: dict[str, Footprint] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TINYOPS_CACHE"] = f"{folder}/cache"
        for board in dict.fromkeys(row[0] for row in BUDGETS):
            (Path(folder) / board).mkdir()
            found[board] = measure(board, Path(folder) / board)
    rows = [(part, *(f"{getattr(sizes, part):,}" for sizes in found.values())) for part in PARTS]
    table(("what", *found), rows)
    print()
    verdicts = [(board, what, read(found[board]), most) for board, what, most, read in BUDGETS]
    rows = [(b, what, f"{n:,}", f"{most:,}", "met" if n <= most else "MISSED") for b, what, n, most in verdicts]
    table(("board", "what", "bytes", "at most", "budget"), rows)
    return int(any(number > most for _, _, number, most in verdicts))


if __name__ == "__main__":
    sys.exit(main())
