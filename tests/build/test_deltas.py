"""Deltas in C: whatever fails while one is undone, whatever one holds, what runs is an image that was signed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fakes.faults import report_faults
from fakes.slots import (
    BOARDS,
    MICROBIT,
    NANO,
    PICO,
    Layout,
    body_of,
    catalogue_layouts,
    changed,
    own_key,
    signed,
    slots_program,
    write_delta_files,
)
from tinyops.images.delta import make_delta

pytestmark = pytest.mark.build
IMAGES = ("firmware", "model")


def run_cuts(layout: Layout, image: int, *, second: int, full: int, fill: bool, folder: Path) -> None:
    files = write_delta_files(layout, folder, full=fill, image=image)
    command = [slots_program("slots_cuts"), *layout.arguments, str(image), str(second), str(full), *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    size = "that fills its slot" if fill else "of a few units"
    report_faults(f"{layout.name}: a delta of a {IMAGES[image]} {size}", done.stdout)


@pytest.mark.parametrize(("layout", "image"), [(MICROBIT, 1), (NANO, 0), (PICO, 1)], ids=lambda one: str(one)[:40])
def test_power_fails_at_every_operation_of_a_full_image(layout: Layout, image: int, tmp_path: Path) -> None:
    run_cuts(layout, image, second=0, full=1999, fill=True, folder=tmp_path)


@pytest.mark.parametrize("layout", catalogue_layouts(), ids=lambda layout: layout.name)
def test_power_fails_twice_on_every_flash_of_the_catalogue(layout: Layout, tmp_path: Path) -> None:
    run_cuts(layout, 1, second=499, full=97, fill=False, folder=tmp_path)


@pytest.mark.parametrize("image", [0, 1], ids=IMAGES)
@pytest.mark.parametrize("layout", BOARDS, ids=lambda layout: layout.name)
def test_a_delta_that_was_changed_makes_nothing(layout: Layout, image: int, tmp_path: Path) -> None:
    slots = (layout.firmware, layout.model)[image]
    origins = slots[:2] if image == 0 else (None, None)
    body = body_of(1500, 3)
    old, new = signed(body, origin=origins[0]), signed(changed(body, 24), origin=origins[1], counter=2)
    files = {"key": own_key(0).public.raw, "old": old, "new": new, "delta": make_delta(old, new, where="new")}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    key, *paths = (tmp_path / name for name in files)
    command = [slots_program("slots_delta_hostile"), *layout.arguments, key, str(image), *paths, "5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    report_faults(f"{layout.name}: deltas of a {IMAGES[image]}", done.stdout)
