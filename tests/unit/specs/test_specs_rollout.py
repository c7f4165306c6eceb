"""Rollouts in specs: the documented example loads, and what is wrong is named at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyops.boards import load_catalog
from tinyops.documents import Strict
from tinyops.errors import Problem, SpecError
from tinyops.specs import Repository, load_repository

CATALOG = load_catalog()
METADATA = '  metadata: {kind: directory, path: ../.tinyops/metadata, url: "https://acme.example/fleet"}\n'
PROJECT = """\
apiVersion: tinyops/v1
kind: Project
metadata: {name: wearables}
spec:
  releases: {kind: directory, path: ../.tinyops/releases}
  metadata: {kind: directory, path: ../.tinyops/metadata, url: "https://acme.example/fleet"}
  signing:
    image: {by: ci, key: {secret: TINYOPS_IMAGE_KEY}}
    online: {key: {secret: TINYOPS_ONLINE_KEY}}
---
apiVersion: tinyops/v1
kind: Model
metadata: {name: person}
spec:
  input: {features: [tensor]}
  architecture: {kind: tflite, file: ../person.tflite, sha256: "SHA"}
"""
FLEET = """\
apiVersion: tinyops/v1
kind: Fleet
metadata: {name: wrist-production}
spec:
  model: person
  boards: {linux: {sensor: {kind: stream, port: serial}}}
  devices: {file: production.csv, max: 100}
  rollout:
    waves: [{canary: 5}, {share: 0.1}, {share: 1}]
    soak_h: 24
    health: {self_test: pass, crashes_per_day_max: 1, min_reporting_share: 0.8}
    silent_after_h: 72
    on_failure: revert
"""
TFLITE = b"\0\0\0\0TFL3 not much of a model"


def load(root: Path, *edits: tuple[str, str]) -> Repository:
    import hashlib

    project, fleet = PROJECT.replace("SHA", f"sha256:{hashlib.sha256(TFLITE).hexdigest()}"), FLEET
    for old, new in edits:
        assert (project + fleet).count(old) == 1
        project, fleet = project.replace(old, new), fleet.replace(old, new)
    (root / "specs").mkdir(exist_ok=True)
    (root / "person.tflite").write_bytes(TFLITE)
    (root / "specs/production.csv").write_text("id,board\n")
    (root / "specs/a-project.yaml").write_text(project)
    (root / "specs/fleet.yaml").write_text(fleet)
    return load_repository(root, catalog=CATALOG)


def test_the_documented_example(tmp_path: Path) -> None:
    made = load(tmp_path).fleets["wrist-production"].document.spec.rollout
    assert made is not None
    assert [(wave.canary, wave.share) for wave in made.waves] == [(5, None), (None, 0.1), (None, 1)]
    assert (made.soak_h, made.silent_after_h, made.on_failure, made.without_reports) == (24, 72, "revert", "wait")
    assert (made.health.min_reporting_share, made.health.failures_max_share, made.hold) == (0.8, 0.05, None)


def test_every_field_has_a_default_but_the_waves(tmp_path: Path) -> None:
    text = FLEET[FLEET.index("    waves") :]
    made = load(tmp_path, (text, "    waves: [{share: 1}]\n")).fleets["wrist-production"].document.spec.rollout
    assert isinstance(made, Strict) and made.health.self_test == "pass"


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "words"),
    [
        ("waves: [{canary: 5}, {share: 0.1}, {share: 1}]", "waves: []", 9, 12, "needs at least 1"),
        (", {share: 1}]", "]", 9, 26, "the last wave must be {share: 1}"),
        ("{share: 0.1}", "{share: 0.1}, {share: 0.1}", 9, 48, "must be more than the 0.1 of the wave before it"),
        ("{share: 0.1}", "{canary: 4}", 9, 35, "must be more than the 5 of the wave before it"),
        ("{share: 0.1}", "{share: 0.1}, {canary: 7}", 9, 40, "a canary comes before the shares"),
        ("{share: 0.1}", "{share: 0.1, canary: 7}", 9, 26, "a wave is {canary: 5} or {share: 0.1}"),
        ("{share: 0.1}", "{share: 0}", 9, 34, "must be greater than 0"),
        ("{share: 0.1}", "{share: 1.5}", 9, 34, "must be at most 1"),
        ("canary: 5", "canary: 0", 9, 22, "must be greater than 0"),
        ("canary: 5", "canary: 101", 9, 22, "101 devices, the fleet has at most 100"),
        ("file: production.csv, ", "", 9, 22, "nobody can count devices that no file lists"),
        ("self_test: pass", "self_test: fail", 11, 25, "must be pass"),
        ("silent_after_h: 72", "silent_after_h: 0", 12, 21, "must be greater than 0"),
        ("on_failure: revert", "on_failure: explode", 13, 17, "must be one of revert, hold"),
        (METADATA, "", 8, 3, "has no `metadata`"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_at_its_place(
    tmp_path: Path, old: str, new: str, line: int, column: int, words: str
) -> None:
    problem = only_problem(tmp_path, (old, new))
    assert words in problem.message
    assert (problem.file.rpartition("/")[2], problem.line, problem.column) == ("fleet.yaml", line, column)


def only_problem(root: Path, *edits: tuple[str, str]) -> Problem:
    with pytest.raises(SpecError) as caught:
        load(root, *edits)
    (problem,) = caught.value.problems
    return problem
