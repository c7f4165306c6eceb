"""`tinyops features` from the command line: a page, text, JSON, and names that there are not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tinyops.cli import main
from tinyops.errors import ExitCode
from tinyops.files import digest_bytes

PROJECT = """\
apiVersion: tinyops/v1
kind: Project
metadata: {name: wearables}
spec:
  releases: {kind: directory, path: ../.tinyops/releases}
  signing: {image: {by: ci, key: {secret: IMAGE_KEY}}}
---
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: wrist}
spec:
  classes: [still, shake]
  signal: {sensor: imu, channels: [ax, ay], units: [g, g], full_scale: [2, 2], rate_hz: 10}
  sources: [{kind: files, index: ../data/wrist.index, format: csv}]
"""
MODEL = """\
---
apiVersion: tinyops/v1
kind: Model
metadata: {name: NAME}
spec:
  dataset: wrist
  input: {window_s: 2}
  architecture: {kind: layers, layers: [{kind: flatten}]}
  training: {epochs: 1, augment: [{kind: scale, factor: [0.5, 2]}]}
"""


def repository(folder: Path, *models: str) -> list[str]:
    """Arguments that name it."""
    rng = np.random.default_rng(1)
    lines = []
    for number in range(6):
        label = ("still", "shake")[number % 2]
        values = rng.normal(0, (0.01, 0.6)[number % 2], (30, 2))
        data = "ax,ay\n" + "".join(f"{x:.4f},{y:.4f}\n" for x, y in values)
        file = folder / "data" / f"{label}-{number}.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(data)
        lines.append(f"{digest_bytes(data.encode()).removeprefix('sha256:')} {label} {file.name}\n")
    (folder / "data" / "wrist.index").write_text("".join(lines))
    (folder / "specs").mkdir()
    (folder / "specs" / "all.yaml").write_text(PROJECT + "".join(MODEL.replace("NAME", m) for m in models))
    return ["-C", str(folder)]


def test_it_writes_a_page_and_needs_no_lock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = repository(tmp_path, "moves")
    assert main(["features", "wrist", *where]) == 0
    page = tmp_path / ".tinyops" / "features" / "moves.html"
    assert capsys.readouterr().out == f"Written: {page}\n"
    assert "wrist, as moves sees it" in page.read_text()
    before = page.read_bytes()
    assert main(["features", "wrist", *where]) == 0 and page.read_bytes() == before


def test_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = repository(tmp_path, "moves")
    assert main(["features", "wrist", *where, "--text", "--per-class", "1", "--variations", "1"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("raw: samples as they are -> 20x2\n") and text.count("varied, 1:") == 2
    assert main(["features", "wrist", *where, "--text", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["model"], value["shape"], [c["name"] for c in value["classes"]]) == (
        "moves",
        [20, 2],
        ["still", "shake"],
    )


def test_without_a_model_it_shows_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "wrist", *repository(tmp_path), "--text"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("raw: samples as they are -> 30x2\n") and "varied" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["wirst"], "there is no Dataset 'wirst'"),
        (["wrist"], "--model: moves, turns"),
        (["wrist", "--model", "move"], "no model 'move' uses dataset wrist"),
        (["wrist", "--model", "moves", "--recording", "shake"], "the dataset has no recording 'shake'"),
    ],
)
def test_what_there_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    status = main(["features", *arguments, *repository(tmp_path, "moves", "turns")])
    assert status == ExitCode.USAGE and words in capsys.readouterr().err
