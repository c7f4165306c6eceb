"""Cuts that a finished model cannot have are refused before a build, at their place in the spec."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.chained import chain_document, layered, model_document
from fakes.projects import PROJECT
from tinyops.cli import main
from tinyops.errors import SpecError
from tinyops.reconcile.cut_faults import check_cuts
from tinyops.reconcile.world import load_world_catalog
from tinyops.specs.loader import load_repository

MODEL = layered()  # of four operators
FAR = "a cut at 9 leaves nothing behind it: the model has 4 operators, from 0 to 3"


def tree(folder: Path, *parts: str, split: str) -> Path:
    (folder / "models").mkdir()
    (folder / "specs").mkdir()
    (folder / "specs/project.yaml").write_text(PROJECT)
    (folder / "models/layers.tflite").write_bytes(MODEL)
    fleet = chain_document("pair", "layers", *parts, link="kind: tcp", more=f"  split: {split}\n")
    (folder / "specs/fleets.yaml").write_text(f"{model_document('layers', MODEL)}---\n{fleet}")
    return folder


@pytest.mark.parametrize(
    ("count", "split", "message", "hint", "value"),
    [
        (2, "{cuts: [9]}", FAR, "cut before operator 1 to 3, or cuts: auto", "9]}"),
        (3, "{cuts: [3, 4]}", "a cut at 4 leaves nothing", "give fewer parts, or cuts: auto", "4]}"),
        (5, "auto", "part 'p4' has nothing to compute: the model has 4 operators", "at most 4 parts", "p4, board"),
    ],
)
def test_too_many_cuts_are_refused_where_they_stand(
    tmp_path: Path, count: int, split: str, message: str, hint: str, value: str
) -> None:
    root = tree(tmp_path, *["linux"] * count, split=split)
    repository = load_repository(root, catalog=load_world_catalog(root))
    with pytest.raises(SpecError) as caught:
        check_cuts(repository)
    (problem,) = caught.value.problems
    assert message in problem.message and hint in problem.hint
    line = (root / "specs/fleets.yaml").read_text().splitlines()[problem.line - 1]
    assert line[problem.column - 1 :].startswith(value)


def test_validate_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tree(tmp_path, "linux", "linux", split="{cuts: [9]}")
    assert main(["validate", "--repository", str(root)]) != 0
    said = capsys.readouterr().err
    assert FAR in said and "specs/fleets.yaml:" in said


def test_cuts_that_can_be_and_files_that_cannot_be_read_are_for_the_build(tmp_path: Path) -> None:
    root = tree(tmp_path, "linux", "linux", split="{cuts: [3]}")
    repository = load_repository(root, catalog=load_world_catalog(root))
    check_cuts(repository)
    (root / "models/layers.tflite").write_bytes(b"none")
    check_cuts(repository)
