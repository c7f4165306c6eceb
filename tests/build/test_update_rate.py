"""What uploads reach of what a line's framing allows, and what raw framing costs: benchmarks/bench_update.py's figures.

Times are those of the simulated line's clock, so they are the same on every machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tinyops.boards.loader import load_catalog

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.build
IMAGE_BYTES = 16_384


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, Path]:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import _line
        import bench_update
    finally:
        sys.path.remove(str(BENCHMARKS))
    return bench_update, _line.build(tmp_path_factory.mktemp("bench"))


@pytest.mark.parametrize("baud", [115_200, 1_000_000])
@pytest.mark.parametrize("board", ["microbit", "nano33ble", "pico"])
def test_console_framing_reaches_nine_tenths_of_what_it_allows(
    bench: tuple[object, Path], board: str, baud: int
) -> None:
    module, program = bench
    chip = module.Chip(load_catalog()[board], module.CHIPS[board])
    image = module.an_image(board, IMAGE_BYTES)
    own = module.measure(module.ours, program, chip, 1024, baud, image)
    other = module.measure(module.smpclients, program, chip, 1024, baud, image)
    assert own.line_share >= 0.9 and own.share >= 0.9
    assert own.line_share >= other.line_share > 0.85
    small = module.measure(module.ours, program, chip, 384, baud, image)
    assert small.line_share < own.line_share, "the buffer is what decides"


def test_raw_framing_costs_a_tenth_at_the_most(bench: tuple[object, Path]) -> None:
    module, program = bench
    assert module.raw(program, IMAGE_BYTES)
