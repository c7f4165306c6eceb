"""From a float model to an int8 one: which windows its ranges come from, and the record of it."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyops.artifacts import Progress
from tinyops.files import JsonObject, pretty_json, write_atomic
from tinyops.recordings import Windows, some_windows
from tinyops.specs.squeeze import Variant
from tinyops.squeeze.calibration import calibration_order, require_windows
from tinyops.squeeze.convergence import TOLERANCE, WINDOWS_LIMIT, Growth, settled
from tinyops.squeeze.int8_graph import Int8Interface
from tinyops.squeeze.metrics import Measured
from tinyops.squeeze.naming import layer_name
from tinyops.squeeze.outliers import Outlier, find_outliers
from tinyops.squeeze.task import Side, Task
from tinyops.worker import Event, call_worker

QUANTISE_TIMEOUT_S = 3600
SCHEMA = 1
OUTLIERS_SHOWN = 5
SPARE_MIN = 16  # windows that calibration left over: fewer say little

Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Calibration:
    """How an int8 model came to its scales. `windows` are those that calibrated, `spare` others of the same side."""

    task: Task
    windows: Windows
    spare: Windows
    ranges: JsonObject
    steps: tuple[Growth, ...]
    outliers: tuple[Outlier, ...]
    few: tuple[str, ...]

    def facts(self) -> JsonObject:
        """What of it a release shows."""
        outliers = [its.to_json() | {"tensor": layer_name(its.tensor)} for its in self.outliers]
        return {
            "windows": len(self.windows),
            "converged": settled(self.steps),
            "outliers": outliers[:OUTLIERS_SHOWN],
            "warnings": list(self.few),
        }

    def to_json(self) -> JsonObject:
        """For calibration.json."""
        task, used = self.task, self.windows
        by_class = Counter(task.classes[label] for label in used.labels.tolist())
        return {
            "recordings": sorted({task.recordings.ids[r] for r in used.recording}),
            "windows": len(used),
            "by_class": {name: by_class[name] for name in task.classes},
            "tolerance": TOLERANCE,
            "converged": settled(self.steps),
            "steps": [{"windows": step.windows, "growth": step.share, "tensor": step.tensor} for step in self.steps],
            "outliers": [its.to_json() for its in self.outliers],
            "warnings": list(self.few),
            "ranges": self.ranges,
        }


def quantise_trained(
    model: Path, task: Task, variant: Variant, out: Path, report: Report
) -> tuple[Calibration, dict[Side, Measured]]:
    """Writes `int8.tflite`, and measures the float model by side: on the test's, and on the validation side, if any.

    Raises SpecError for too little data.
    """
    windows, sides = task.windows("train"), {side: task.windows(side) for side in task.judged}
    few = require_windows(windows, task.classes, task.learned)
    offered = some_windows(windows, calibration_order(windows)[: 2 * WINDOWS_LIMIT])
    evaluate = np.concatenate([task.float_inputs(its) for its in sides.values()])
    ranges, steps, (low, high), outputs = _call_worker(
        model, (task.float_inputs(offered), evaluate), (out, variant), report
    )
    number = len(low)
    used, spare = (some_windows(offered, np.arange(*ends)) for ends in ((0, number), (number, len(offered))))
    outliers = find_outliers(low, high, used.recording, tuple(ranges), task.recordings.ids)
    calibration = Calibration(task, used, spare, ranges, steps, outliers, few)
    parts = np.split(outputs, np.cumsum([len(its) for its in sides.values()])[:-1])
    pairs = zip(sides.items(), parts, strict=True)
    return calibration, {side: Measured.of(its, judged, task.classes) for (side, judged), its in pairs}


def _call_worker(
    model: Path, windows: tuple[Any, Any], wanted: tuple[Path, Variant], report: Report
) -> tuple[JsonObject, tuple[Growth, ...], tuple[NDArray[np.float32], NDArray[np.float32]], Any]:
    """The ranges and how they grew, the extremes of each window, the float model's outputs.

    `windows` are inputs on offer, and those to have outputs for; `wanted` the folder, and how to quantise.
    """
    out, variant = wanted
    precision = {"per": variant.per, "activations": variant.activations}

    def on_event(event: Event) -> None:
        if "progress" in event:
            report(Progress(event["progress"], event["total"], event["message"]))

    with tempfile.TemporaryDirectory(prefix="tinyops-squeeze-") as name:
        folder = Path(name)
        for file, its in zip(("calibrate", "evaluate"), windows, strict=True):
            np.save(folder / f"{file}.npy", its, allow_pickle=False)
        paths = {n: str(folder / f"{n}.npy") for n in ("calibrate", "evaluate", "outputs")}
        paths["extremes"] = str(folder / "extremes.npz")
        result = call_worker(
            "tinyops.squeeze.quantise_worker",
            {"model": str(model.resolve()), "int8": str(out / "int8.tflite"), **precision, **paths},
            what="quantising",
            timeout_s=QUANTISE_TIMEOUT_S,
            on_event=on_event,
        )
        with np.load(paths["extremes"], allow_pickle=False) as archive:
            extremes = archive["low"], archive["high"]
        steps = tuple(Growth(step["windows"], step["growth"], step["tensor"]) for step in result["steps"])
        return result["ranges"], steps, extremes, np.load(paths["outputs"], allow_pickle=False)


def write_calibration(out: Path, interface: Int8Interface, calibration: Calibration | None) -> None:
    """The record of how the int8 model came to its scales; empty for a finished model, whose author knows."""
    quantisation = {
        "input": {"scale": interface.input_scale, "zero_point": interface.input_zero_point},
        "output": {"scale": interface.output_scale, "zero_point": interface.output_zero_point},
    }
    record = calibration.to_json() if calibration else {"recordings": [], "windows": 0, "ranges": {}}
    method = "min_max" if calibration else None
    value = {"schema": SCHEMA, "method": method, "side": "train", **record, **quantisation}
    write_atomic(out / "calibration.json", pretty_json(value))


def unseen(calibration: Calibration, number: int) -> tuple[str, Windows]:
    """At most so many windows to judge the int8 model by that are not of the test, and their side.

    Those of the validation side, where there is one; else those that calibration left over, else its own.
    """
    if calibration.task.held.any():
        windows = calibration.task.windows("validation")
        return "validation", some_windows(windows, calibration_order(windows)[:number])
    spare = calibration.spare if len(calibration.spare) >= SPARE_MIN else calibration.windows
    return "train", some_windows(spare, np.arange(min(number, len(spare))))
