"""The step: quantise, measure what the device will compute, pin golden vectors."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tinyops.artifacts import Progress, Step
from tinyops.errors import SpecError
from tinyops.features import TensorFeatures, read_features
from tinyops.files import JsonObject, pretty_json, read_bounded, write_atomic, writing
from tinyops.graph import Graph, read_graph
from tinyops.specs.squeeze import PLAIN, Variant
from tinyops.squeeze.calibrate import Report, quantise_trained, write_calibration
from tinyops.squeeze.golden import (
    golden_inputs,
    most_telling,
    pack_golden,
    pack_stream,
    self_tests,
    stream_frames,
)
from tinyops.squeeze.int8_graph import Int8Interface, check_int8
from tinyops.squeeze.losses import measure_layers
from tinyops.squeeze.metrics import Measured, metrics, validation_facts
from tinyops.squeeze.oracle import run_vectors
from tinyops.squeeze.reference import reference
from tinyops.squeeze.streaming import streamed_inputs
from tinyops.squeeze.task import JSON_LIMIT_BYTES, Side, Task, check_interface, physical_features, read_json, read_task
from tinyops.squeeze.weights import check_values, weight_facts
from tinyops.toolchain import locked_packages

SCHEMA = 1
QUANTISERS = frozenset({"ai-edge-quantizer"})  # what a finished model does without


def squeeze(step: Step, inputs: Mapping[str, Path], out: Path, report: Report) -> JsonObject:
    """Makes the int8 model and its figures. Inputs: a trained float model with its data, or `model.tflite`.

    Raises SpecError for a model that does not become, or is not, integers throughout, and ToolError when the
    quantiser or the interpreter fails.
    """
    if "float.tflite" in inputs:
        locked_packages(step.lock, "train")
        return _squeeze_trained(_variant(step), inputs, out, report)
    locked_packages({name: version for name, version in step.lock.items() if name not in QUANTISERS}, "build")
    return _squeeze_finished(step, inputs, out, report)


def _variant(step: Step) -> Variant:
    """What is not as in the plain variant, which goes by its name."""
    said = step.settings.get("variant", PLAIN)
    return Variant() if said == PLAIN else Variant.model_validate(said)


def _squeeze_trained(variant: Variant, inputs: Mapping[str, Path], out: Path, report: Report) -> JsonObject:
    features = read_features(inputs["features.json"])
    if isinstance(features, TensorFeatures):
        raise SpecError("features.json: a trained model takes frames, not tensors")
    task = read_task(inputs, features)
    calibration, float_measured = quantise_trained(inputs["float.tflite"], task, variant, out, report)
    graph = read_graph(out / "int8.tflite")
    interface = check_int8(graph, trained=True)
    check_values(graph, variant.weights)
    write_atomic(out / "features.json", read_bounded(inputs["features.json"], JSON_LIMIT_BYTES))
    write_calibration(out, interface, calibration)
    report(Progress(0, 0, "comparing layers with the float model"))
    found = {
        "calibration": calibration.facts(),
        "layers": measure_layers(inputs["float.tflite"], interface, calibration, out),
    }
    return _finish(graph, interface, task, (float_measured, found), out, report)


def _squeeze_finished(step: Step, inputs: Mapping[str, Path], out: Path, report: Report) -> JsonObject:
    given = inputs["model.tflite"]
    graph = read_graph(given)
    _check_digest(step, given, graph.digest)
    interface = check_int8(graph, trained=False)
    with writing(out / "int8.tflite"):
        shutil.copyfile(given, out / "int8.tflite")
    task = None
    if "recordings.npz" in inputs and step.settings["input"]["features"] == "raw":
        signal = read_json(inputs["dataset.json"])["signal"]
        task = read_task(inputs, physical_features(step.settings["input"], signal))
    features = task.features.to_json() if task else {"kind": "tensor"}
    write_atomic(out / "features.json", pretty_json(features))
    write_calibration(out, interface, None)
    return _finish(graph, interface, task, ({}, {"calibration": None, "layers": None}), out, report)


def _check_digest(step: Step, path: Path, found: str) -> None:
    pinned = step.sources.get("model.tflite")
    if pinned is not None and pinned.digest != found:
        raise SpecError(
            f"{path}: the spec pins {pinned.digest}, the file is {found}",
            hint="bring the file back, or write its new digest into architecture.sha256",
        )


def _finish(
    graph: Graph,
    interface: Int8Interface,
    task: Task | None,
    from_float: tuple[Mapping[Side, Measured], JsonObject],
    out: Path,
    report: Report,
) -> JsonObject:
    """Accuracy with data, golden vectors in any case. `from_float` is how the float model did by side, and facts."""
    model = out / "int8.tflite"
    windows, labels = np.empty((0, interface.input_bytes), np.int8), []
    int8_measured: Measured | None = None
    seen_before, validated = None, None
    if task is not None:
        check_interface(graph.name, interface, task)
        test = task.windows("test")
        windows, labels = task.int8_inputs(test, interface), [int(label) for label in test.labels]
        report(Progress(0, len(windows), f"running {len(windows)} test windows through tflite-micro"))
        outputs = run_vectors(model, windows)
        int8_measured = Measured.of(outputs, test, task.classes)
        seen_before = reference(task.windows("train").labels, task.classes, outputs, interface)
        validated = _validate(task, interface, model, from_float[0].get("validation"), report)
    report(Progress(0, 0, "pinning golden vectors"))
    candidates = self_tests(interface)
    self_test = candidates[most_telling(run_vectors(model, candidates))]
    vectors = golden_inputs(interface, self_test, windows, labels)
    write_atomic(out / "golden.bin", pack_golden(vectors, run_vectors(model, vectors)))
    if task is not None:
        write_atomic(out / "stream.bin", _stream(task, interface, model))
    float_measured, facts = from_float
    facts |= metrics(float_measured.get("test"), int8_measured, task.recordings_by_side if task else None) | {
        "validation": validated,
        "reference": seen_before,
        "golden_vectors": len(vectors),
        "model_bytes": model.stat().st_size,
        "weights": weight_facts(graph),
        "operators": dict(sorted(Counter(o.name for o in graph.operators).items())),
    }
    write_atomic(out / "metrics.json", pretty_json({"schema": SCHEMA, **facts}))
    return facts


def _validate(
    task: Task, interface: Int8Interface, model: Path, float_measured: Measured | None, report: Report
) -> JsonObject | None:
    """How the model does, as the device computes it, on what was held back from training to choose by."""
    if not task.held.any():
        return None
    windows = task.windows("validation")
    report(Progress(0, len(windows), f"running {len(windows)} validation windows through tflite-micro"))
    outputs = run_vectors(model, task.int8_inputs(windows, interface))
    return validation_facts(float_measured, Measured.of(outputs, windows, task.classes))


def _stream(task: Task, interface: Int8Interface, model: Path) -> bytes:
    """Frames of a test recording and what a device must answer: proves features and windows on the way in."""
    frames = stream_frames(task.recordings, task.features)
    windows = streamed_inputs(frames, task.features, interface.input_scale, interface.input_zero_point)
    return pack_stream(frames, run_vectors(model, windows))
