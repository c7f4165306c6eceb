"""The step: check, start the worker, watch it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.features.planned import input_shape, planned_features
from tinyops.files import MIB, JsonObject, pretty_json, read_bounded, write_atomic
from tinyops.recordings import load, save, some
from tinyops.toolchain import locked_packages
from tinyops.train.shapes import layer_facts
from tinyops.train.techniques.registry import all_epochs, rewritten
from tinyops.train.validation import choose_validation, summary
from tinyops.worker import Event, call_worker

TRAINING_TIMEOUT_S = 24 * 3600
DATASET_LIMIT_BYTES = 256 * MIB
BACKGROUND = "background-"
TEACHER = "teacher."
# One thread: a different number gives different weights, and nets of this size gain nothing from more.
THREADS = 1
WORKER_ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "OMP_NUM_THREADS": str(THREADS),
    "PYTHONHASHSEED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTEROP_THREADS": str(THREADS),
    "TF_NUM_INTRAOP_THREADS": str(THREADS),
    "TF_USE_LEGACY_KERAS": "0",
}


def train(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """Trains in a subprocess and returns its facts.

    Raises SpecError for an architecture that cannot be built, a loss that is no number or a defect in
    the user's function, and ToolError when packages are missing or the worker dies.
    """
    locked_packages(step.lock, "train")
    dataset = json.loads(read_bounded(inputs["dataset.json"], DATASET_LIMIT_BYTES))
    settings = step.settings
    variant = settings.get("variant", {})
    architecture = rewritten(settings["architecture"], variant)
    shape = input_shape(planned_features(settings["input"], dataset["signal"]), dataset["signal"])
    if architecture["kind"] == "layers":
        layer_facts(architecture["layers"], shape, len(dataset["classes"]))
    request = {
        "recordings": str(inputs["recordings.npz"]),
        "classes": dataset["classes"],
        "normal": dataset.get("normal"),
        "signal": dataset["signal"],
        "input_shape": list(shape),
        "input": settings["input"],
        "architecture": architecture,
        "architecture_file": str(inputs["architecture.py"]) if "architecture.py" in inputs else None,
        "training": settings["training"],
        "variant": variant,
        "teacher": {n.removeprefix(TEACHER): str(p) for n, p in inputs.items() if n.startswith(TEACHER)},
        "backgrounds": backgrounds(inputs),
        "threads": THREADS,
        "out": str(out),
    }
    if not settings.get("validation"):
        return _work(request, report)
    return _work_without_validation(request, inputs, out, report)


def _work_without_validation(
    request: JsonObject, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]
) -> JsonObject:
    """The worker gets recordings without those that are held back, so that nothing in it can learn from them."""
    recordings = load(inputs["recordings.npz"])
    groups = json.loads(read_bounded(inputs["groups.json"], DATASET_LIMIT_BYTES))
    chosen = choose_validation(recordings, groups["groups"], groups["by"])
    record = chosen.to_json(recordings, request["classes"])
    with tempfile.TemporaryDirectory(prefix="tinyops-train-") as scratch:
        rest = Path(scratch) / "recordings.npz"
        save(some(recordings, ~chosen.held), rest)
        facts = _work({**request, "recordings": str(rest)}, report)
    training = json.loads(read_bounded(out / "training.json", DATASET_LIMIT_BYTES))
    write_atomic(out / "training.json", pretty_json({**training, "validation": record}))
    return {**facts, "validation": summary(record)}


def backgrounds(inputs: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Files of other datasets by their names: inputs called `background-DATASET.file`."""
    found: dict[str, dict[str, str]] = {}
    for name, path in inputs.items():
        if name.startswith(BACKGROUND):
            dataset, _, file = name.removeprefix(BACKGROUND).partition(".")
            found.setdefault(dataset, {})[file] = str(path)
    return found


def _work(request: JsonObject, report: Callable[[Progress], None]) -> JsonObject:
    epochs = all_epochs(request["training"], request["variant"])

    def on_event(event: Event) -> None:
        if "progress" in event:
            report(Progress(event["progress"], epochs, event["message"]))

    report(Progress(0, epochs, "loading TensorFlow"))
    with tempfile.TemporaryDirectory(prefix="tinyops-keras-") as home:
        # Keras reads settings from the user's home: they must not decide what is trained.
        env = {**WORKER_ENVIRONMENT, "KERAS_HOME": home}
        return call_worker(
            "tinyops.train.worker",
            request,
            what="training",
            timeout_s=TRAINING_TIMEOUT_S,
            env=env,
            on_event=on_event,
        )
