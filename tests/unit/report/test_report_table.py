"""The table of a release: figures as they were measured, and a dash for what was not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fakes.measurements import FOUND
from fakes.releases import Publisher
from tinyops.artifacts import Record
from tinyops.build.measurements import write_measurement
from tinyops.manifest.document import Manifest
from tinyops.report.table import HEADERS, figure_json, rows, time_lines

ACCURACY = {"point": 0.95, "low": 0.764, "high": 0.991, "right": 19, "total": 20}
FIGURES: dict[str, Any] = {
    "accuracy_float": {**ACCURACY, "point": 0.9761},
    "accuracy_int8": ACCURACY,
    "flash_bytes": 13048,
    "ram_bytes": 1132,
    "instructions": 3625,
    "image_bytes": 2616,
    "input": "stream",
}


def manifest(tmp_path: Path, figures: dict[str, Any], firmware: str | None = None) -> Manifest:
    made = Publisher(tmp_path).publish().manifest
    entry = made.fleets["wrist"]
    board = entry.boards["linux"].model_copy(update={"figures": figures})
    if firmware:
        board = board.model_copy(update={"proof": board.proof.model_copy(update={"firmware": firmware})})
    return made.model_copy(update={"fleets": {"wrist": entry.model_copy(update={"boards": {"linux": board}})}})


def row(found: Manifest) -> dict[str, str]:
    (cells,) = rows(found)
    return dict(zip(HEADERS, cells, strict=True))


def test_figures_are_rounded_for_people_and_whole_for_programs(tmp_path: Path) -> None:
    made = manifest(tmp_path, FIGURES, "same-source")
    cells = row(made)
    assert (cells["fleet"], cells["board"], cells["model"]) == ("wrist", "linux", "activity")
    assert {
        "0.976",
        "13,048",
        "1,132",
        "3,625",
        f"{made.fleets['wrist'].boards['linux'].model.bytes:,}",
        "stream",
    } <= set(cells.values())
    text = " ".join(cells.values())
    assert "0.950 [0.764, 0.991]" in text
    assert "19/20" in text
    assert cells["proof: model/firmware"] == "same-bytes/same-source"
    (figures,) = figure_json(made)
    assert (figures["accuracy_float"]["point"], figures["flash_bytes"]) == (0.9761, 13048)
    assert figures["proof"] == {"model": "same-bytes", "firmware": "same-source"}


def test_over_the_air_goes_what_slots_take_with_its_signature(tmp_path: Path) -> None:
    made = manifest(tmp_path, FIGURES)
    facts: dict[str, Any] = {"images": {"model.img": "sha256:" + "1" * 64}, "signed_bytes": {"model.img": 2878}}
    twin = Record("twin:wrist/linux", "sha256:k", {}, {}, {}, {}, {}, facts)
    assert row(made.model_copy(update={"steps": {twin.step: twin}}))["o.t.a."] == "2,878"


def test_what_was_not_measured_is_a_dash_and_never_a_zero(tmp_path: Path) -> None:
    cells = row(manifest(tmp_path, {"input": "replay", "instructions": None, "accuracy_float": None}))
    assert [cells[h] for h in ("float", "int8 [95 %]", "flash", "RAM", "instr.", "o.t.a.")] == ["-"] * 6
    assert cells["proof: model/firmware"] == "same-bytes/-"


def test_a_time_is_told_only_where_such_a_board_was_measured(tmp_path: Path) -> None:
    made, folder = manifest(tmp_path / "release", FIGURES), tmp_path / "measurements"
    assert time_lines(made, folder) == []
    assert "milliseconds" not in figure_json(made, folder)[0]
    write_measurement(replace(FOUND, board="linux"), folder)
    assert time_lines(made, folder)[0].startswith("wrist on linux: 0.08 ms, measured on hardware: 1 run, ")
    assert figure_json(made, folder)[0]["milliseconds"] == 1000 * 3625 * 1.5 / 64e6
    assert time_lines(manifest(tmp_path / "other", {"instructions": None}), folder) == []
