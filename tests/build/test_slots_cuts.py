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
from fakes.slots import BOARDS, Layout, slots_program, write_files

pytestmark = pytest.mark.build

EXHAUSTIVE = "TINYOPS_EXHAUSTIVE" in os.environ
IMAGES = ("firmware", "model")


def run_cuts(layout: Layout, image: int, *, second: int, full: int, folder: Path, fill: bool) -> None:
    files = write_files(layout, folder, full=fill, image=image)
    command = [slots_program("slots_cuts"), *layout.arguments, str(image), str(second), str(full), *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600 if EXHAUSTIVE else 120)
    assert done.returncode == 0, done.stderr
    size = "that fills its slot" if fill else "of a few units"
    report_faults(f"{layout.name}: a {IMAGES[image]} {size}", done.stdout)


@pytest.mark.parametrize("image", [0, 1], ids=IMAGES)
@pytest.mark.parametrize("layout", BOARDS, ids=lambda layout: layout.name)
def test_full_images(layout: Layout, image: int, tmp_path: Path) -> None:
    run_cuts(layout, image, second=997, full=1 if EXHAUSTIVE else 997, folder=tmp_path, fill=True)
