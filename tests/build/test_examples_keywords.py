"""The keyword example on the shared recordings: its index names them, speakers stay on one side, it can be shown."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

import tinyops.collect
from tinyops.artifacts import Progress
from tinyops.boards import load_catalog
from tinyops.build.steps import collect_step
from tinyops.cli import main
from tinyops.datasets.index import parse_index
from tinyops.recordings import load
from tinyops.scaffold import scaffold, write_scaffold
from tinyops.specs import load_repository

pytestmark = pytest.mark.build

SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
CLIPS = SHARED / "datasets" / "speech_commands_test_subset"


def silent(_: Progress) -> None:
    pass


def test_the_index_names_the_shared_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not CLIPS.is_dir():
        pytest.skip(f"{CLIPS.name} is not in the shared data (TINYOPS_SHARED_DATA)")
    catalog, root = load_catalog(), tmp_path / "words"
    write_scaffold(root, scaffold("words", catalog, example="keywords"))
    spec = root / "specs" / "speech.yaml"
    spec.write_text(re.sub(r"^ *url: https://.*\n", "", spec.read_text(), flags=re.MULTILINE))
    (root / "data" / "speech").symlink_to(CLIPS)  # where files lie when no address is named
    entries = parse_index((root / "data" / "speech.csv").read_bytes(), "speech.csv")

    step = collect_step(load_repository(root, catalog=catalog), "speech", None)
    (tmp_path / "out").mkdir()
    inputs = {name: source.path for name, source in step.sources.items()}
    facts = tinyops.collect.run(step, inputs, tmp_path / "out", silent)
    assert facts["recordings"] == len(entries) == 718 and facts["copies_total"] == 0
    recordings = load(tmp_path / "out" / "recordings.npz")
    assert (np.diff(recordings.offsets) == 16000).all()
    speakers = {entry.id: entry.subject for entry in entries}
    sides = [{speakers[recordings.ids[n]] for n in np.flatnonzero(recordings.test == side)} for side in (False, True)]
    assert not sides[0] & sides[1] and len(sides[1]) > 40
    assert min(facts["counts"]["test"].values()) >= 10 and min(facts["counts"]["train"].values()) >= 35

    assert main(["features", "speech", "-C", str(root), "--text", "--per-class", "1", "--variations", "1"]) == 0
    assert capsys.readouterr().out.count("varied, 1:") == 12
