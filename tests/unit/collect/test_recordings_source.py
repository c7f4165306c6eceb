"""The source `recordings`: tables with other columns, and pieces of one file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import tinyops.collect
from tinyops.artifacts import Step
from tinyops.errors import SpecError
from tinyops.recordings import load
from tinyops.specs.model import DatasetSpec

SIGNAL = {"sensor": "imu", "channels": ["ax", "ay"], "units": ["g", "g"], "full_scale": [2, 4], "rate_hz": 10}


def collect(tmp_path: Path, **source: Any) -> Path:
    """Two files of twelve frames, each rest in its first half and walk in its second."""
    (tmp_path / "data").mkdir()
    lines = ["sha256,label,subject,file,begin,end"]
    for name, first in (("ana", 0), ("ben", 1)):
        rows = "".join(f"{(first + i) / 8},{i},note {name},{-i / 8}\n" for i in range(12))
        text = "y,time,remark,x\n" + rows
        (tmp_path / "data" / f"{name}.csv").write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        lines += [f"{digest},rest,{name},{name}.csv,0,6", f"{digest},walk,{name},{name}.csv,6,12"]
    index = tmp_path / "data.csv"
    index.write_text("\n".join(lines) + "\n")
    spec = {
        "classes": ["rest", "walk"],
        "signal": SIGNAL,
        "sources": [{"kind": "recordings", "index": "data.csv", **source}],
        "split": {"by": "subject", "test": ["ben"]},
    }
    settings = {"dataset": DatasetSpec.model_validate(spec).model_dump(mode="json"), "revision": 1}
    out = tmp_path / "out"
    out.mkdir()
    tinyops.collect.run(Step("collect", "x", settings), {"index-0": index}, out, lambda _: None)
    return out


def test_columns_are_chosen_by_name_and_pieces_by_frames(tmp_path: Path) -> None:
    out = collect(tmp_path, columns={"ax": "x", "ay": "y"})
    found = load(out / "recordings.npz")
    assert [r["label"] for r in json.loads((out / "dataset.json").read_text())["recordings"]] == ["rest", "walk"] * 2
    assert found.test.tolist() == [False, False, True, True]
    step = 32768 // 8
    assert found.frames(1).tolist() == [[-i * step // 2, i * step // 4] for i in range(6, 12)]


def test_other_columns_are_refused_without_a_mapping(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"has the columns \['y', 'time', 'remark', 'x'\], wanted \['ax', 'ay'\]"):
        collect(tmp_path)
