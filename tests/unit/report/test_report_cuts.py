"""What a release says of its chains' cuts: the choice as it was explained, then what was linked and run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fakes.releases import BOARD, FLEET, Publisher, record
from tinyops.chains.explanation import ESTIMATED
from tinyops.manifest.document import Manifest
from tinyops.report.cuts import cut_lines


def released(folder: Path, **figures: Any) -> Manifest:
    manifest = Publisher(folder).publish().manifest
    split = replace(record(f"split:{FLEET}", {}), facts={"explanation": ["cut at 3: the least time", ESTIMATED]})
    fleet = manifest.fleets[FLEET]
    board = fleet.boards[BOARD].model_copy(update={"figures": figures})
    fleets = {FLEET: fleet.model_copy(update={"boards": {BOARD: board}})}
    return manifest.model_copy(update={"steps": {split.step: split}, "fleets": fleets})


def test_estimates_are_followed_by_what_was_linked_and_run(tmp_path: Path) -> None:
    first, last = cut_lines(released(tmp_path, image_bytes=2020, instructions=5312), FLEET)
    assert first == "cut at 3: the least time"
    assert last == (
        "cuts are chosen by estimates of flash and time, those above; "
        f"linked and run: {BOARD}: image of 2,020 bytes, 5,312 instructions"
    )


def test_what_nothing_counts_is_not_told(tmp_path: Path) -> None:
    assert [*cut_lines(released(tmp_path, image_bytes=2020, instructions=None), FLEET)][-1].endswith("of 2,020 bytes")
    assert [*cut_lines(released(tmp_path / "b", image_bytes=None), FLEET)][-1].endswith(f"{BOARD}: not counted")


def test_a_fleet_without_a_chain_has_no_cuts(tmp_path: Path) -> None:
    assert [*cut_lines(Publisher(tmp_path).publish().manifest, FLEET)] == []
