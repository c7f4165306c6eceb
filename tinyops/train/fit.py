"""Fitting and exporting a Keras model. Imports TensorFlow: for the worker only."""

from __future__ import annotations

import math
import platform
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tinyops.errors import SpecError, ToolError
from tinyops.features.planned import planned_features
from tinyops.files import pretty_json, write_atomic
from tinyops.recordings import Outcome, Windows, cut_windows, in_rows, judge, load
from tinyops.statistics import area_under_curve
from tinyops.train.anomaly import build_autoencoder, flat, judging
from tinyops.train.epochs import EpochInputs, model_inputs
from tinyops.train.held_out import hold_out
from tinyops.train.networks import build_network
from tinyops.train.normalise import fit_features
from tinyops.worker import Emit

PREDICT_BATCH = 256
COPYING = "mean_absolute_error"  # the loss of a copy
HISTORY_DIGITS = 6


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
    epochs = EpochInputs(recordings, train, features, request)
    network, history, found = _train(request, epochs, train, emit)
    emit({"progress": len(history), "message": "writing the model"})
    outputs = _predict(network, model_inputs(test.counts, features, request))
    outcome = judge(outputs, test, request["classes"])
    out = Path(request["out"])
    write_atomic(out / "float.tflite", export_tflite(network, tuple(request["input_shape"])))
    write_atomic(out / "features.json", pretty_json(features.to_json()))
    facts = _facts(network, outcome, recordings.test, (train, test), history, request)
    if found:
        normal = list(request["classes"]).index(request["normal"])
        facts |= found | {"auc_float": round(area_under_curve(outputs[:, 1 - normal], test.labels != normal), 6)}
    write_atomic(out / "training.json", pretty_json({"schema": 1, **facts, "history": history}))
    return facts


@dataclass(frozen=True)
class Lesson:
    """Inputs and targets of the epochs from `first` to the one before `last`."""

    first: int
    last: int
    inputs: Any
    targets: Any


def _train(
    request: dict[str, Any], inputs: EpochInputs, windows: Windows, emit: Emit
) -> tuple[Any, list[dict[str, Any]], dict[str, Any]]:
    """The trained network, its history, and what else was found."""
    training = request["training"]
    stretches = inputs.stretches(int(training["epochs"]))
    if request["architecture"]["kind"] == "autoencoder":
        return _train_autoencoder(request, inputs, hold_out(windows.recording), emit)
    network, loss = build_network(request), _loss(training.get("label_smoothing", 0.0))
    lessons = (Lesson(first, last, inputs.of(first), windows.labels) for first, last in stretches)
    return network, _fit(network, lessons, len(windows), training, emit, loss), {}


def _train_autoencoder(
    request: dict[str, Any], inputs: EpochInputs, held_out: Any, emit: Emit
) -> tuple[Any, list[dict[str, Any]], dict[str, Any]]:
    if not held_out.any():
        raise SpecError(
            f"training: {len(held_out)} normal windows are too few to set a threshold by",
            hint="record more of what is normal, or make input.hop_s shorter",
        )
    training, coder = request["training"], build_autoencoder(request)
    stretches = inputs.stretches(int(training["epochs"]))
    seen = ((first, last, inputs.of(first)[~held_out]) for first, last in stretches)
    lessons = (Lesson(first, last, windows, flat(windows)) for first, last, windows in seen)
    history = _fit(coder, lessons, int((~held_out).sum()), training, emit, COPYING)
    kept = inputs.plain()[held_out]
    errors = np.abs(flat(kept) - _predict(coder, kept)).mean(axis=1)
    threshold = float(np.quantile(errors, 1 - request["architecture"]["false_alarms"]))
    normal = list(request["classes"]).index(request["normal"])
    return judging(coder, threshold, normal), history, {"threshold": round(threshold, 6), "held_out": len(kept)}


def _be_deterministic(request: dict[str, Any]) -> None:
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.utils.set_random_seed(int(request["training"]["seed"]) % 2**32)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(request["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(request["threads"])


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Says how far training is, keeps the history, ends it when the loss is no number."""

    def __init__(self, epochs: int, emit: Emit) -> None:
        super().__init__()
        self.history: list[dict[str, Any]] = []
        self._epochs, self._emit, self._begin = epochs, emit, time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        figures = {name: float(value) for name, value in (logs or {}).items()}
        loss = figures["loss"]
        done = epoch + 1
        if not math.isfinite(loss):
            raise SpecError(
                f"training: the loss is {loss} after epoch {done}",
                hint="lower training.learning_rate; it is often ten times too high when this happens",
            )
        self.history.append({"epoch": done, **{name: round(value, HISTORY_DIGITS) for name, value in figures.items()}})
        left_s = (time.monotonic() - self._begin) / done * (self._epochs - done)
        accuracy = f"  accuracy {figures['accuracy']:.3f}" if "accuracy" in figures else ""
        message = f"epoch {done}/{self._epochs}  loss {loss:.4f}{accuracy}  {left_s:.0f} s left"
        self._emit({"progress": done, "message": message})


def _fit(
    network: Any, lessons: Iterable[Lesson], windows: int, training: dict[str, Any], emit: Emit, loss: Any
) -> list[dict[str, Any]]:
    """Trains on each lesson in turn, which all have that many windows. A loss of Keras's by name has no accuracy."""
    epochs, batch = int(training["epochs"]), int(training["batch"])
    # The rate falls to zero along a cosine: the last epochs then settle, whatever the seed.
    steps = epochs * math.ceil(windows / batch)
    rate = keras.optimizers.schedules.CosineDecay(training["learning_rate"], steps)
    network.compile(keras.optimizers.Adam(rate), loss, metrics=[] if loss == COPYING else ["accuracy"])
    watch = _Watch(epochs, emit)
    options: dict[str, Any] = {"batch_size": batch, "verbose": 0, "callbacks": [watch]}
    for lesson in lessons:
        network.fit(lesson.inputs, lesson.targets, initial_epoch=lesson.first, epochs=lesson.last, **options)
    return watch.history


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
