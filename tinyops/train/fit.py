"""Fitting and exporting a Keras model. Imports TensorFlow: for the worker only."""

from __future__ import annotations

import math
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tinyops.errors import SpecError, ToolError
from tinyops.features import FrameFeatures
from tinyops.features.planned import planned_features
from tinyops.files import pretty_json, write_atomic
from tinyops.recordings import Outcome, Recordings, Windows, cut_windows, in_rows, judge, load
from tinyops.statistics import area_under_curve
from tinyops.train.anomaly import build_autoencoder, flat, judging
from tinyops.train.course import Budget, Course, Diary, learn
from tinyops.train.epochs import EpochInputs, model_inputs
from tinyops.train.held_out import hold_out
from tinyops.train.networks import build_network
from tinyops.train.normalise import fit_features
from tinyops.train.rounding.windows import calibrating_windows
from tinyops.train.techniques.registry import all_epochs, wanted_by
from tinyops.train.techniques.technique import Learnt, Lesson, School
from tinyops.worker import Emit

PREDICT_BATCH = 256
COPYING = "mean_absolute_error"  # the loss of a copy


def fit_model(request: dict[str, Any], emit: Emit) -> dict[str, Any]:
    """Trains, writes the step's files into `request["out"]`, returns its facts."""
    _be_deterministic(request)
    recordings = load(Path(request["recordings"]))
    planned = planned_features(request["input"], request["signal"])
    rows = in_rows(recordings, planned)
    features = fit_features(rows, planned)
    train, test = (
        cut_windows(rows, test=side, window_frames=features.rows, hop_frames=features.hop_rows)
        for side in (False, True)
    )
    diary = Diary(all_epochs(request["training"], request["variant"]), emit)
    network, learnt, found = _train(request, _Sides(recordings, train, test, features), diary)
    diary.say("writing the model")
    outputs = _predict(network, model_inputs(test.counts, features, request))
    outcome = judge(outputs, test, request["classes"])
    out = Path(request["out"])
    write_atomic(out / "float.tflite", export_tflite(network, tuple(request["input_shape"])))
    write_atomic(out / "features.json", pretty_json(features.to_json()))
    facts = _facts(network, outcome, recordings.test, (train, test), diary.history, request)
    if learnt.facts:
        facts |= {"techniques": dict(learnt.facts)}
    if found:
        normal = list(request["classes"]).index(request["normal"])
        facts |= found | {"auc_float": round(area_under_curve(outputs[:, 1 - normal], test.labels != normal), 6)}
    write_atomic(out / "training.json", pretty_json({"schema": 1, **facts, "history": diary.history}))
    return facts


@dataclass(frozen=True)
class _Sides:
    """The recordings and the windows of both sides, and the features that both are seen through."""

    recordings: Recordings
    train: Windows
    test: Windows
    features: FrameFeatures


def _train(request: dict[str, Any], sides: _Sides, diary: Diary) -> tuple[Any, Learnt, dict[str, Any]]:
    """The network for the device, what was learnt, and what else was found."""
    inputs = EpochInputs(sides.recordings, sides.train, sides.features, request)
    if request["architecture"]["kind"] == "autoencoder":
        return _train_autoencoder(request, inputs, sides, diary)
    test = model_inputs(sides.test.counts, sides.features, request)

    def accuracy(network: Any) -> float:
        return judge(_predict(network, test), sides.test, request["classes"]).recordings.accuracy.point

    course = Course(
        inputs=inputs.of,
        targets=lambda _epoch, _inputs: sides.train.labels,
        changes=inputs.change,
        windows=len(sides.train),
        batch=int(request["training"]["batch"]),
        loss=_loss(request["training"].get("label_smoothing", 0.0)),
        metrics=("accuracy",),
    )
    learnt = _learn(request, build_network(request), course, sides, diary, accuracy)
    return learnt.network, learnt, {}


def _learn(
    request: dict[str, Any],
    network: Any,
    course: Course,
    sides: _Sides,
    diary: Diary,
    accuracy: Callable[[Any], float | None],
) -> Learnt:
    """Fits the network, and lets the variant's techniques do theirs before and after."""
    training = request["training"]
    teacher = {name: Path(path) for name, path in request["teacher"].items()}
    lesson = Lesson(request, sides.recordings, sides.train, sides.features, teacher)
    techniques = list(wanted_by(request["variant"]))
    for technique, wanted in techniques:
        course = technique.teach(course, lesson, wanted)
    learn(network, course, Budget(int(training["epochs"]), training["learning_rate"]), diary)

    def calibration() -> Any:
        return model_inputs(sides.train.counts[calibrating_windows(sides.train.labels)], sides.features, request)

    school = School(course, training, request["variant"], diary, accuracy, calibration)
    learnt = Learnt(network)
    for technique, wanted in techniques:
        if technique.tunes:
            learnt = technique.tune(learnt, school, wanted)
    return learnt


def _train_autoencoder(
    request: dict[str, Any], inputs: EpochInputs, sides: _Sides, diary: Diary
) -> tuple[Any, Learnt, dict[str, Any]]:
    held_out = hold_out(sides.train.recording)
    if not held_out.any():
        raise SpecError(
            f"training: {len(held_out)} normal windows are too few to set a threshold by",
            hint="record more of what is normal, or make input.hop_s shorter",
        )
    course = Course(
        inputs=lambda epoch: inputs.of(epoch)[~held_out],
        targets=lambda _epoch, windows: flat(windows),
        changes=inputs.change,
        windows=int((~held_out).sum()),
        batch=int(request["training"]["batch"]),
        loss=COPYING,
        metrics=(),
    )
    learnt = _learn(request, build_autoencoder(request), course, sides, diary, lambda _: None)
    kept = inputs.plain()[held_out]
    errors = np.abs(flat(kept) - _predict(learnt.network, kept)).mean(axis=1)
    threshold = float(np.quantile(errors, 1 - request["architecture"]["false_alarms"]))
    normal = list(request["classes"]).index(request["normal"])
    found = {"threshold": round(threshold, 6), "held_out": len(kept)}
    return judging(learnt.network, threshold, normal), learnt, found


def _be_deterministic(request: dict[str, Any]) -> None:
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.utils.set_random_seed(int(request["training"]["seed"]) % 2**32)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(request["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(request["threads"])


def _loss(smoothing: float) -> Any:
    if not smoothing:
        return "sparse_categorical_crossentropy"

    def smoothed(labels: Any, outputs: Any) -> Any:
        wanted = keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), outputs.shape[-1])
        return keras.losses.categorical_crossentropy(wanted, outputs, label_smoothing=smoothing)

    return smoothed


def _predict(network: Any, inputs: Any) -> Any:
    outputs = network.predict(inputs, batch_size=PREDICT_BATCH, verbose=0)
    if not np.isfinite(outputs).all():
        raise SpecError("training: the trained model's outputs are not numbers", hint="lower training.learning_rate")
    return outputs


def export_tflite(network: Any, shape: tuple[int, ...]) -> bytes:
    """The float .tflite with a static batch of 1: a dynamic one adds operators that no device needs."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            signature = keras.InputSpec(shape=(1, *shape), dtype="float32", name="input")
            network.export(folder, input_signature=[signature], verbose=False)
            return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
    except Exception as error:
        raise ToolError(
            f"training: TensorFlow cannot write this model as a .tflite: {str(error).strip().splitlines()[0]}",
            hint="use the layers of docs/architectures.md",
        ) from error


def _facts(
    network: Any,
    outcome: Outcome,
    test_side: Any,
    windows: tuple[Windows, Windows],
    history: list[dict[str, Any]],
    request: dict[str, Any],
) -> dict[str, Any]:
    scores = outcome.recordings
    return {
        "accuracy_float": scores.accuracy.to_json(),
        "windows_accuracy_float": outcome.windows.accuracy.to_json(),
        "recall_float": {name: r.to_json() for name, r in scores.recall.items()},
        "confusion_float": [list(row) for row in scores.confusion],
        "classes": list(request["classes"]),
        "recordings": {"train": int((~test_side).sum()), "test": int(test_side.sum())},
        "windows": {"train": len(windows[0]), "test": len(windows[1])},
        "parameters": sum(math.prod(w.shape) for w in network.trainable_weights),
        "epochs": len(history),
        "loss": history[-1]["loss"],
        "environment": _environment(request),
    }


def _environment(request: dict[str, Any]) -> dict[str, Any]:
    """What besides the inputs decided the weights."""
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "threads": request["threads"],
        "onednn": False,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
