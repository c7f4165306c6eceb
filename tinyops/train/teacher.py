"""A teacher: a trained float model that says of a student's windows what it takes them for.

It sees the same samples, augmented alike, through its own features. Reads .tflite with TensorFlow: for the worker only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinyops.errors import SpecError
from tinyops.features import FrameFeatures, RawFeatures, TensorFeatures, read_features
from tinyops.files import MIB, read_bounded
from tinyops.recordings import cut_windows, in_rows
from tinyops.train.epochs import EpochInputs

if TYPE_CHECKING:
    from tinyops.train.techniques.technique import Lesson

FILES = ("float.tflite", "features.json", "training.json")
JSON_LIMIT_BYTES = 256 * MIB
Outputs = NDArray[np.float32]


@dataclass(frozen=True)
class Teacher:
    """Its outputs are probabilities; `order` says which of them is for each of the student's classes."""

    model: bytes
    features: FrameFeatures
    order: tuple[int, ...]


def read_teacher(files: Mapping[str, Path], classes: Sequence[str]) -> Teacher:
    """Raises SpecError for a teacher that was not trained, takes tensors, or knows other classes."""
    missing = [name for name in FILES if name not in files or not files[name].is_file()]
    if missing:
        raise _refusal(f"it has no {missing[0]}: it is not trained", "name a Model with training")
    record = json.loads(read_bounded(files["training.json"], JSON_LIMIT_BYTES))
    features = read_features(files["features.json"])
    if isinstance(features, TensorFeatures):
        raise _refusal("it takes tensors, not frames", "name a Model with a dataset")
    return Teacher(files["float.tflite"].read_bytes(), features, _order(record["classes"], classes))


def _order(its: Sequence[str], classes: Sequence[str]) -> tuple[int, ...]:
    if sorted(its) != sorted(classes):
        message = f"its classes are {', '.join(its)}; this model's are {', '.join(classes)}"
        raise _refusal(message, "a teacher knows the same classes: name another")
    return tuple(list(its).index(name) for name in classes)


def _refusal(message: str, hint: str) -> SpecError:
    return SpecError(f"squeeze.variants: the teacher does not suit: {message}", hint=hint)


def aligned(teacher: FrameFeatures, student: FrameFeatures, channels: int) -> FrameFeatures:
    """The teacher's features over the student's windows, in frames of one sample of `channels` values.

    Raises SpecError where it looks at a longer or shorter window, or makes no row where the student's windows begin.
    """
    its, own = _in_samples(teacher, channels), _in_samples(student, channels)
    if its.window_frames != own.window_frames:
        message = f"its window is {its.window_frames} samples, this model's {own.window_frames}"
        raise _refusal(message, "give both the same input.window_s")
    step = 1 if isinstance(its, RawFeatures) else its.last.step
    if own.hop_frames % step:
        message = f"it makes a row every {step} samples, windows of this model begin every {own.hop_frames}"
        raise _refusal(message, "make input.hop_s a multiple of the teacher's step_s")
    return replace(its, hop_frames=own.hop_frames)


def _in_samples(features: FrameFeatures, channels: int) -> FrameFeatures:
    samples = features.frame_values // channels
    if not samples or features.frame_values % channels:
        message = f"it was trained on frames of {features.frame_values} values, this dataset has {channels} a sample"
        raise _refusal(message, "name a Model with the same dataset")
    window, hop = features.window_frames * samples, features.hop_frames * samples
    if isinstance(features, RawFeatures):
        return replace(features, frame_values=channels, window_frames=window, hop_frames=hop)
    return replace(features, frame_samples=1, window_frames=window, hop_frames=hop)


class Teaching:
    """What the teacher says in each epoch."""

    def __init__(self, teacher: Teacher, lesson: Lesson) -> None:
        self._teacher = teacher
        # As the student sees them: masks of rows hide the same from both.
        self._own = None if teacher.features == lesson.features else _own_inputs(teacher, lesson)
        self._interpreter = _interpreter(teacher.model)

    def outputs(self, epoch: int, inputs: Any) -> Outputs:
        """Probabilities [N, classes] of the student's windows in an epoch, which it sees as `inputs`."""
        seen = inputs if self._own is None else self._own.of(epoch)
        taken, given = self._interpreter.get_input_details()[0], self._interpreter.get_output_details()[0]["index"]
        found = np.empty((len(seen), len(self._teacher.order)), np.float32)
        for number, window in enumerate(seen):
            self._interpreter.set_tensor(taken["index"], window.reshape(taken["shape"]))
            self._interpreter.invoke()
            found[number] = self._interpreter.get_tensor(given).reshape(-1)[list(self._teacher.order)]
        return found


def _own_inputs(teacher: Teacher, lesson: Lesson) -> EpochInputs:
    """The same recordings through the teacher's features. Where its rows are others, only the student's are masked."""
    channels = lesson.recordings.counts.shape[1]
    features = aligned(teacher.features, lesson.features, channels)
    rows = in_rows(lesson.recordings, features)
    windows = cut_windows(rows, test=False, window_frames=features.rows, hop_frames=features.hop_rows)
    if not np.array_equal(windows.recording, lesson.windows.recording):
        message = f"it finds {len(windows)} windows in the training side, this model {len(lesson.windows)}"
        raise _refusal(message, "give both the same input.window_s and hop_s")
    request = {**lesson.request, "input_shape": [features.window_values]}
    alike = _unfitted(features) == _unfitted(aligned(lesson.features, lesson.features, channels))
    return EpochInputs(lesson.recordings, windows, features, request, masked=alike)


def _unfitted(features: FrameFeatures) -> FrameFeatures:
    return replace(features, offset=(), gain=())


def _interpreter(model: bytes) -> Any:
    """One thread, and no kernels that another processor would choose others for."""
    import warnings

    from tensorflow import lite

    kernels = lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # says that the interpreter moves to another package
        made = lite.Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=kernels)
    made.allocate_tensors()
    return made
