"""The examples of people's movement, trained on the shared recordings: what they reach on people held out."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import numpy as np
import pytest

import tinyops.collect
import tinyops.squeeze
import tinyops.train
from tinyops.artifacts import Progress
from tinyops.boards import load_catalog
from tinyops.build.steps import collect_step, model_steps
from tinyops.datasets.index import parse_index
from tinyops.plan.gates import missed_gates
from tinyops.reconcile.locking import lock_of
from tinyops.recordings import load
from tinyops.scaffold import scaffold, write_scaffold
from tinyops.specs import load_repository

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs the extra train: TensorFlow"),
]

SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
WATCH = SHARED / "datasets" / "har_phone_watch"
UNSEEN = {"s05", "s14", "s19"}


def silent(_: Progress) -> None:
    pass


@pytest.mark.parametrize(("example", "dataset"), [("activity", "wrist"), ("anomaly", "gait")])
def test_it_passes_its_own_gates_on_people_whom_training_never_saw(tmp_path: Path, example: str, dataset: str) -> None:
    if not WATCH.is_dir():
        pytest.skip(f"{WATCH.name} is not in the shared data (TINYOPS_SHARED_DATA)")
    catalog, root = load_catalog(), tmp_path / "bench"
    write_scaffold(root, scaffold(example, catalog, example=example))
    spec = root / "specs" / f"{dataset}.yaml"
    spec.write_text(re.sub(r"^ *url: https://.*\n", "", spec.read_text(), flags=re.MULTILINE))
    (root / "data" / dataset).symlink_to(WATCH)  # where files lie when no address is named
    repository = load_repository(root, catalog=catalog)

    data, trained, squeezed = (tmp_path / name for name in ("collect", "train", "squeeze"))
    for folder in (data, trained, squeezed):
        folder.mkdir()
    collect = collect_step(repository, dataset, None)
    tinyops.collect.run(collect, {name: source.path for name, source in collect.sources.items()}, data, silent)
    recordings = load(data / "recordings.npz")
    subjects = {entry.id: entry.subject for entry in parse_index((root / "data" / f"{dataset}.csv").read_bytes(), "x")}
    learned = np.unique(recordings.labels[~recordings.test])  # of an anomaly only what is normal
    tested = recordings.test & np.isin(recordings.labels, learned)
    assert {subjects[recordings.ids[n]] for n in np.flatnonzero(tested)} == UNSEEN
    assert not {subjects[recordings.ids[n]] for n in np.flatnonzero(~recordings.test)} & UNSEEN

    ((name, model),) = repository.models.items()
    steps = {step.kind: step for step in model_steps(repository, name, lock_of(root))}
    inputs = {name: data / name for name in ("recordings.npz", "dataset.json")}
    tinyops.train.run(steps["train"], inputs, trained, silent)
    inputs |= {name: trained / name for name in ("float.tflite", "features.json", "training.json")}
    facts = tinyops.squeeze.run(steps["squeeze"], inputs, squeezed, silent)
    assert model.document.spec.gates != type(model.document.spec.gates)(), "they ask for something"
    assert missed_gates(model.document.spec.gates, facts) == ()
