"""Ten firmwares: built from nothing, then once more with nothing changed.

python benchmarks/bench_firmware.py

The second time is what a lost key costs. Usually nothing is looked at: a step whose key is in the store is skipped.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from _timing import budget, heading, ratio, table, timed

from tinyops import firmware
from tinyops.artifacts import Progress, Step
from tinyops.boards import load_catalog
from tinyops.boards.model import Board
from tinyops.files import MIB
from tinyops.specs.lock import SOURCES
from tinyops.specs.locking import own_pins
from tinyops.toolchain import installed

BOARDS = ("microbit", "nano33ble", "pico")
FIRMWARES = 10
NOOP_BUDGET_S = 8.0


def main() -> None:
    """Prints the table."""
    catalog = load_catalog()
    steps = [_step(catalog[BOARDS[number % len(BOARDS)]], number) for number in range(FIRMWARES)]
    heading(f"{FIRMWARES} firmwares of {', '.join(BOARDS)}")
    with tempfile.TemporaryDirectory(prefix="tinyops-bench-") as name:
        folder = Path(name)
        os.environ["TINYOPS_CACHE"] = str(folder / "cache")
        first, again = (timed(lambda: [_build(step, folder) for step in steps]) for _ in range(2))
    rows = [
        ["from nothing", f"{first:.1f}", "1.00x", ""],
        ["nothing changed", f"{again:.1f}", ratio(again, first), budget(again, NOOP_BUDGET_S)],
    ]
    table(["build", "seconds", "ratio", "promise"], rows)


def _step(board: Board, number: int) -> Step:
    facts = board.spec.model_dump(mode="json")
    compiler = {"name": board.spec.compiler, "version": installed(board.spec.compiler).version}
    lock = {"compiler": compiler, "firmware": own_pins().firmware, "sources": dict(SOURCES), **_packages()}
    settings = {"board": board.name, "fleet": f"fleet{number}", "sensor": "stream", "facts": facts}
    return Step("firmware", f"fleet{number}/{board.name}", settings, lock)


def _packages() -> dict[str, str]:
    import importlib.metadata

    return {name: importlib.metadata.version(name) for name in ("platformio", "scons")}


def _build(step: Step, folder: Path) -> None:
    layout = step.settings["facts"]["layout"]
    contract = {
        "abi": 1,
        "input": {"sensor": "imu", "frame_values": 6},
        "output": {"classes": ["a", "b"]},
        "arena_bytes": layout["arena_bytes"],
    }
    path = folder / "contract.json"
    path.write_text(json.dumps(contract))
    out = folder / "out" / step.subject
    out.mkdir(parents=True, exist_ok=True)
    firmware.run(step, {"contract.json": path}, out, _ignore)
    assert (out / "firmware.bin").stat().st_size < MIB


def _ignore(_: Progress) -> None:
    pass


if __name__ == "__main__":
    main()
