"""Deltas in C: whatever fails while one is undone, whatever one holds, what runs is an image that was signed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
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
    body = body_of(1500, 3)
    said = try_changes(layout, image, (body, changed(body, 24)), stride=5, folder=tmp_path)
    report_faults(f"{layout.name}: deltas of a {IMAGES[image]}", said)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("by", [1, 100])
def test_c_undoes_what_python_makes_however_much_changed(share: float, by: int, tmp_path: Path) -> None:
    """Odds that are as far from even as they can be, and every width of differences."""
    rng = np.random.default_rng(int(1000 * share) + by)
    old = rng.integers(0, 256, 40_000)
    moves = rng.integers(1, by, old.size, endpoint=True) * (rng.random(old.size) < share)
    new = np.insert(old + moves, rng.integers(0, old.size, 3 * (by == 1)), 7)
    bodies = tuple((values % 256).astype("uint8").tobytes() for values in (old, new))
    try_changes(NANO, 1, (bodies[0], bodies[1]), stride=1_000_000, folder=tmp_path)


def try_changes(layout: Layout, image: int, bodies: tuple[bytes, bytes], *, stride: int, folder: Path) -> str:
    """What slots_delta_hostile says of the delta between two bodies."""
    slots = (layout.firmware, layout.model)[image]
    origins = slots[:2] if image == 0 else (None, None)
    old, new = (signed(body, origin=origins[at], counter=1 + at) for at, body in enumerate(bodies))
    files = {"key": own_key(0).public.raw, "old": old, "new": new, "delta": make_delta(old, new, where="new")}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    key, *paths = (folder / name for name in files)
    command = [slots_program("slots_delta_hostile"), *layout.arguments, key, str(image), *paths, str(stride)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
