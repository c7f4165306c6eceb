"""Recordings that an index pins, through the step: who is on which side, and what the manifest says of it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinyops.collect
from tinyops.artifacts import Step
from tinyops.datasets.index import IndexEntry, format_index
from tinyops.errors import SpecError
from tinyops.recordings import load
from tinyops.specs.model import DatasetSpec

SIGNAL = {"sensor": "imu", "channels": ["ax", "ay"], "units": ["g", "g"], "full_scale": [2, 4], "rate_hz": 10}
SUBJECTS = ("s02", "s05", "s09", "s10")
SOURCE = {"kind": "recordings", "index": "wrist.csv"}


def write_index(folder: Path, subjects: tuple[str, ...] = SUBJECTS) -> Path:
    """Two labelled pieces of each subject's file; the subject's number is in its values."""
    (folder / "wrist").mkdir(exist_ok=True)
    entries = []
    for subject in subjects:
        values = np.linspace(-1, 1, 40) * np.full(40, int(subject[1:]) / 20)
        text = "ax,ay\n" + "".join(f"{v:.6f},{-v:.6f}\n" for v in values)
        file = f"{subject or 'nobody'}.csv"
        (folder / "wrist" / file).write_text(text)
        digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        for label, begin in (("rest", 0), ("walk", 20)):
            entries.append(IndexEntry(digest, label, subject, frames=40, begin=begin, end=begin + 20, file=file))
    index = folder / "wrist.csv"
    index.write_bytes(format_index(entries))
    return index


def run(index: Path, split: dict[str, Any]) -> tuple[dict[str, Any], Path]:
    dataset = {"classes": ["rest", "walk"], "signal": SIGNAL, "sources": [SOURCE], "split": split}
    settings = {"dataset": DatasetSpec.model_validate(dataset).model_dump(mode="json"), "revision": 1}
    out = index.parent / "out"
    out.mkdir(exist_ok=True)
    return tinyops.collect.run(Step("collect", "x", settings), {"index-0": index}, out, lambda _: None), out


def test_subjects_lie_on_one_side_each(tmp_path: Path) -> None:
    facts, out = run(write_index(tmp_path), {"by": "subject", "test": ["s05", "s09"]})
    assert facts["subjects"] == {"train": ["s02", "s10"], "test": ["s05", "s09"]}
    assert facts["subjects_total"] == {"train": 2, "test": 2}
    recordings = load(out / "recordings.npz")
    assert recordings.ids[:2] == ("s02.csv[0:20]", "s02.csv[20:40]")
    listed = json.loads((out / "dataset.json").read_text())["recordings"]
    assert {r["id"][:3] for r in listed if r["side"] == "test"} == {"s05", "s09"}


def test_an_added_subject_moves_nobody(tmp_path: Path) -> None:
    split = {"by": "subject", "test": 0.5, "seed": 3}
    before, _ = run(write_index(tmp_path), split)
    after, _ = run(write_index(tmp_path, (*SUBJECTS, "s01", "s16", "s19")), split)
    for side in ("train", "test"):
        assert set(before["subjects"][side]) <= set(after["subjects"][side])


def test_a_line_without_a_subject_stops_a_split_by_subject(tmp_path: Path) -> None:
    index = write_index(tmp_path)
    index.write_text(index.read_text().replace(",s05,", ",,"))
    with pytest.raises(SpecError, match=r"split\.by is subject, but 2 of 8 recordings do not say whose they are"):
        run(index, {"by": "subject"})


def test_pieces_of_a_file_share_a_side(tmp_path: Path) -> None:
    _, out = run(write_index(tmp_path), {"by": "recording", "test": 0.4})
    recordings = load(out / "recordings.npz")
    assert recordings.test[::2].tolist() == recordings.test[1::2].tolist()
    assert 0 < recordings.test.sum() < 8
