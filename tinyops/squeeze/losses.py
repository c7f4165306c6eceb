"""Which layers lose most: the int8 model beside the float one, in a process of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from tinyops.errors import ToolError
from tinyops.files import JsonObject, pretty_json, write_atomic
from tinyops.squeeze.calibrate import Calibration, unseen
from tinyops.squeeze.int8_graph import Int8Interface
from tinyops.squeeze.layers import LayerError, worst
from tinyops.worker import call_worker

SCHEMA = 1
WINDOWS = 64
TIMEOUT_S = 900


def measure_layers(float_model: Path, interface: Int8Interface, calibration: Calibration, out: Path) -> JsonObject:
    """Writes `layers.json` for `int8.tflite`, and returns the layers that lose most, as facts."""
    side, windows = unseen(calibration, WINDOWS)
    task = calibration.task
    with tempfile.TemporaryDirectory(prefix="tinyops-layers-") as name:
        paths = {n: Path(name) / f"{n}.npy" for n in ("inputs", "int8_inputs")}
        np.save(paths["inputs"], task.float_inputs(windows), allow_pickle=False)
        np.save(paths["int8_inputs"], task.int8_inputs(windows, interface), allow_pickle=False)
        request = {"float": str(float_model.resolve()), "int8": str(out / "int8.tflite")}
        result = _compare(request | {n: str(path) for n, path in paths.items()})
    record = {"side": side, "windows": len(windows), **result}
    write_atomic(out / "layers.json", pretty_json({"schema": SCHEMA, **record}))
    return record | {"layers": len(result["layers"]), "worst": worst([LayerError(**its) for its in result["layers"]])}


def _compare(request: JsonObject) -> JsonObject:
    """`layers`; a process that dies leaves none and says why: what explains a model must not keep it from a release."""
    try:
        return call_worker("tinyops.squeeze.layers_worker", request, what="comparing layers", timeout_s=TIMEOUT_S)
    except ToolError as error:
        return {"layers": [], "failed": error.message.splitlines()[0]}
