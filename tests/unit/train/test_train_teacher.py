"""What a teacher must be, and what it says: no TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyops.errors import SpecError
from tinyops.features import RawFeatures
from tinyops.features.specification import FrameFeatures, StagedFeatures
from tinyops.features.stages import Statistics
from tinyops.files import pretty_json
from tinyops.train.teacher import aligned, read_teacher
from tinyops.train.techniques.distillation import softened

RAW = RawFeatures(2, 16, 8, (0, 5), (1.0, 0.5))


def staged(step: int, *, window: int = 16, hop: int = 8, frame: int = 1) -> FrameFeatures:
    stages = (Statistics(length=8, step=step, statistics=("mean",)),)
    return StagedFeatures(100.0, 2, frame, window // frame, hop // frame, stages, (), ())


def files(folder: Path, *, classes: list[str], features: Any = RAW) -> dict[str, Path]:
    (folder / "float.tflite").write_bytes(b"weights")
    (folder / "features.json").write_bytes(pretty_json(features if isinstance(features, dict) else features.to_json()))
    (folder / "training.json").write_text(json.dumps({"classes": classes}))
    return {path.name: path for path in folder.iterdir()}


def test_a_teacher_with_other_classes_is_refused_with_both_lists(tmp_path: Path) -> None:
    given = files(tmp_path, classes=["still", "run"])
    with pytest.raises(SpecError) as caught:
        read_teacher(given, ["still", "walk"])
    assert "its classes are still, run; this model's are still, walk" in caught.value.message


def test_classes_in_another_order_are_put_right(tmp_path: Path) -> None:
    teacher = read_teacher(files(tmp_path, classes=["walk", "still", "run"]), ["still", "run", "walk"])
    assert teacher.order == (1, 2, 0) and teacher.model == b"weights"


def test_a_teacher_that_takes_tensors_or_was_not_trained_is_refused(tmp_path: Path) -> None:
    given = files(tmp_path, classes=["a", "b"], features={"kind": "tensor"})
    with pytest.raises(SpecError, match="it takes tensors, not frames"):
        read_teacher(given, ["a", "b"])
    given["training.json"].unlink()
    with pytest.raises(SpecError, match=r"it has no training\.json: it is not trained"):
        read_teacher(given, ["a", "b"])


def test_windows_are_the_students_in_frames_of_one_sample() -> None:
    own = RawFeatures(4, 8, 4, (0, 0), (1.0, 1.0))  # frames of two samples of two channels
    assert aligned(RAW, own, 2) == RAW
    teacher = aligned(staged(4, hop=16), own, 2)
    assert (teacher.window_frames, teacher.hop_frames, teacher.rows, teacher.hop_rows) == (16, 8, 3, 2)


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (staged(4, window=32), "its window is 32 samples, this model's 16"),
        (staged(3), "it makes a row every 3 samples, windows of this model begin every 8"),
        (RawFeatures(3, 16, 8, (0,) * 3, (1.0,) * 3), "trained on frames of 3 values, this dataset has 2 a sample"),
    ],
)
def test_windows_that_are_not_the_same_are_refused(teacher: FrameFeatures, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        aligned(teacher, RAW, 2)


def test_softened_probabilities_are_those_of_the_logits_divided() -> None:
    logits = np.array([[4.0, 1.0, -2.0], [0.0, 0.0, 0.0]])
    outputs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wanted = np.exp(logits / 4) / np.exp(logits / 4).sum(axis=1, keepdims=True)
    assert softened(outputs.astype(np.float32), 4.0) == pytest.approx(wanted, rel=1e-5)


def test_a_certain_teacher_gives_numbers() -> None:
    found = softened(np.array([[1.0, 0.0]], np.float32), 4.0)
    assert np.isfinite(found).all() and found[0, 0] == pytest.approx(1 / (1 + 1e-7**0.25), rel=1e-5)
