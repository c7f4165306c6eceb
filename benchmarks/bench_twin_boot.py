"""How long each kind of twin takes from nothing to its first answer, and to end again.

python benchmarks/bench_twin_boot.py [rounds]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from _timing import budget, heading, interleaved, ratio, table

from tinyops.boards.loader import load_catalog
from tinyops.boards.model import Board
from tinyops.build.virtual import build_board
from tinyops.errors import ToolError
from tinyops.process import run
from tinyops.twin import open_twin

MODEL = Path(__file__).parents[1] / "tests/fuzz/corpus/network.tflite"
BUDGET_S = 0.5
# A board of each kind and machine. A browser is no emulator and has no budget: Chromium alone takes longer.
BOARDS = {
    "linux": BUDGET_S,
    "raspberrypi4": BUDGET_S,
    "microbit": BUDGET_S,
    "nano33ble": BUDGET_S,
    "teensy41": BUDGET_S,
    "pico2": BUDGET_S,
    "esp32c3": BUDGET_S,
    "pico": BUDGET_S,
    "mega2560": BUDGET_S,
    "phone": None,
}


def main(rounds: int) -> None:
    heading(f"Twins: boot to first answer, {MODEL.name}")
    catalog = load_catalog()
    with tempfile.TemporaryDirectory() as folder:
        cases: dict[str, Callable[[], None]] = {"a process that does nothing": _nothing}
        for name in BOARDS:
            try:
                cases[name] = _case(catalog[name], catalog, Path(folder) / name)
            except ToolError as error:
                print(f"{name}: left out: {error.message}")
        samples = interleaved(cases, rounds)
    nothing = next(iter(samples.values())).median_s
    rows = []
    for name, sample in samples.items():
        limit = BOARDS.get(name)
        twin = catalog[name].spec.twin if name in BOARDS else None
        kind = " ".join(filter(None, (twin.kind, twin.machine))) if twin else "-"
        verdict = "-" if limit is None else budget(sample.median_s, limit)
        rows.append((name, kind, f"{sample.median_s:.3f} s", ratio(sample.median_s, nothing), verdict))
    table(("board", "kind", f"median of {rounds}", "of nothing", "budget"), rows)


def _case(board: Board, catalog: Mapping[str, Board], folder: Path) -> Callable[[], None]:
    folder.mkdir()
    files = build_board(MODEL, board, catalog, folder, prefer="balanced", report=lambda _: None)

    def boot() -> None:
        with open_twin(board.name, board.spec, files) as virtual:
            virtual.link.hello()

    return boot


def _nothing() -> None:
    run(["true"], timeout_s=10)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
