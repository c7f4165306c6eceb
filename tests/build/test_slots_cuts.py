"""Power fails at every operation of flash in an update, in a revert, and again in the recovery from each.

After each cut firmware and model run, whole and verified, none is lost, and the new one can be installed again; no
rule of the flash is broken. TINYOPS_EXHAUSTIVE=1 does the whole update again after each of the cuts, which by default
is done after all in metadata and erases and some in data.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fakes.faults import report_faults
from fakes.slots import BOARDS, MICROBIT, PICO, STM32, Layout, catalogue_layouts, slots_program, write_files

pytestmark = pytest.mark.build

EXHAUSTIVE = "TINYOPS_EXHAUSTIVE" in os.environ
IMAGES = ("firmware", "model")


def run_cuts(layout: Layout, image: int, *, second: int, full: int, folder: Path, fill: bool) -> None:
    files = write_files(layout, folder, full=fill, image=image)
    command = [slots_program("slots_cuts"), *layout.arguments, str(image), str(second), str(full), *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600 if EXHAUSTIVE else 120)
    assert done.returncode == 0, done.stderr
    size = "that fills its slot" if fill else "of a few units"
    for line in done.stdout.splitlines(keepends=True):
        if line.startswith("after "):
            print(line, end="")
        else:
            report_faults(f"{layout.name}: a {IMAGES[image]} {size}", line)


@pytest.mark.parametrize("image", [0, 1], ids=IMAGES)
@pytest.mark.parametrize("layout", BOARDS, ids=lambda layout: layout.name)
def test_full_images(layout: Layout, image: int, tmp_path: Path) -> None:
    run_cuts(layout, image, second=1999, full=1 if EXHAUSTIVE else 1999, folder=tmp_path, fill=True)


@pytest.mark.parametrize("image", [0, 1], ids=IMAGES)
@pytest.mark.parametrize("layout", catalogue_layouts(), ids=lambda layout: layout.name)
def test_every_flash_of_the_catalogue_with_the_log_at_every_place(layout: Layout, image: int, tmp_path: Path) -> None:
    unit = layout.flash[3]
    second = 1 if EXHAUSTIVE or unit >= 32 else 997
    run_cuts(layout, image, second=second, full=1, folder=tmp_path, fill=False)


@pytest.mark.parametrize("layout", [MICROBIT, PICO, STM32], ids=lambda layout: layout.name)
def test_a_second_cut_anywhere_in_the_recovery_from_any_first(layout: Layout, tmp_path: Path) -> None:
    second = 1 if EXHAUSTIVE or layout is not MICROBIT else 29
    run_cuts(layout, 1, second=second, full=1, folder=tmp_path, fill=False)
