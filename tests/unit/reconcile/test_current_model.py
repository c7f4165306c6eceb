"""Which model suggests labels, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes import labelling
from tinyops.errors import SpecError, UsageError
from tinyops.reconcile.current_model import current_model
from tinyops.specs.lock import Lock, TinyopsPins, dump_lock

MODEL = """\
apiVersion: tinyops/v1
kind: Model
metadata: {name: motion}
spec:
  dataset: wrist
  input: {window_s: 1, hop_s: 1, features: [raw]}
  architecture: {kind: layers, layers: [{kind: flatten}, {kind: dense, units: 4}]}
  training: {epochs: 2, batch: 8, learning_rate: 0.01, seed: 1}
"""


def test_without_a_model_of_the_dataset_it_says_so_before_it_asks_for_a_lock(tmp_path: Path) -> None:
    labelling.motions(tmp_path, 1)
    with pytest.raises(UsageError, match="no model is trained on wrist yet"):
        current_model(tmp_path, "wrist")


def test_a_model_that_was_never_built_is_named_with_the_command(tmp_path: Path) -> None:
    labelling.motions(tmp_path, 1)
    (tmp_path / "specs" / "model.yaml").write_text(MODEL)
    with pytest.raises(UsageError, match="no model 'other' has the dataset wrist") as other:
        current_model(tmp_path, "wrist", "other")
    assert other.value.hint == "models with it: motion"
    with pytest.raises(SpecError, match="there is no lock"):
        current_model(tmp_path, "wrist")
    digest = "sha256:" + "0" * 64
    lock = Lock(tinyops=TinyopsPins(version="0.0.1", compiler=digest, firmware=digest))
    (tmp_path / "specs" / "tinyops.lock.yaml").write_bytes(dump_lock(lock))
    with pytest.raises(UsageError, match="motion: was not built yet") as unbuilt:
        current_model(tmp_path, "wrist")
    assert "tinyops plan --build" in unbuilt.value.hint
