"""Calibration and quantisation of a float .tflite. Imports LiteRT and its quantiser: for the worker only.

Ranges are the smallest and largest value that each tensor takes, found by the reference kernels on one thread:
the optimised ones sum in another order on another CPU, and the int8 model would depend on it.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyops.errors import ToolError
from tinyops.files import JsonObject, write_atomic
from tinyops.squeeze.litert import float_interpreter
from tinyops.squeeze.ranges import find_ranges
from tinyops.worker import Emit

Ranges = dict[str, tuple[float, float]]

# What is of int16 where activations are. All else stays int8, with conversions around it: the model's ends, so that
# windows, links and results are those of any model; softmax, whose results have 256 steps; functions that are tables.
OF_INT16 = (
    *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN", "SUM"),
    *("ADD", "SUB", "MUL", "RESHAPE", "TRANSPOSE", "CONCATENATION", "PAD"),
)


def quantise(request: JsonObject, emit: Emit) -> JsonObject:
    """Writes the int8 model, the float model's outputs, and the extremes of the windows that calibrated.

    Returns the ranges by tensor name, in the order of the extremes, and how they grew. Request: `model` (float
    .tflite), `calibrate` (.npy of inputs [N, …], the most telling first) and `evaluate`, `int8`, `outputs` and
    `extremes` (paths to write), `per` (`channel` or `tensor`: what has a scale of weights), `activations` (`int8` or
    `int16`).
    """
    model = Path(request["model"]).read_bytes()
    found = find_ranges(model, np.load(request["calibrate"], mmap_mode="r", allow_pickle=False), emit)
    np.savez(request["extremes"], low=found.low, high=found.high)
    write_atomic(Path(request["int8"]), quantised(model, found.ranges, request["per"], request["activations"]))
    evaluate = np.load(request["evaluate"], allow_pickle=False)
    np.save(request["outputs"], run_float(model, evaluate), allow_pickle=False)
    return {"ranges": {name: list(r) for name, r in found.ranges.items()}, "steps": [s.to_json() for s in found.steps]}


def quantised(model: bytes, ranges: Ranges, per: str = "channel", activations: str = "int8") -> bytes:
    """The full-integer .tflite: int8 weights per channel or per tensor, int8 or int16 activations, int8 in and out."""
    from ai_edge_quantizer import quantizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        worker = quantizer.Quantizer(model, _recipe(per, activations))
        shapes = {d["name"]: len(d["shape"]) for d in float_interpreter(model, keep_all=False).get_tensor_details()}
        statistics = {
            name: {"min": _filled(low, shapes[name]), "max": _filled(high, shapes[name])}
            for name, (low, high) in ranges.items()
        }
        try:
            result = worker.quantize(statistics, enable_progress_bar=False, enable_progress_report=False)
        except (ValueError, RuntimeError, KeyError) as error:
            raise ToolError(f"ai-edge-quantizer: {error}", hint="use the layers of docs/architectures.md") from error
    return bytes(result.quantized_model)


def _recipe(per: str, activations: str) -> Any:
    from ai_edge_quantizer import qtyping, recipe_manager

    made = recipe_manager.RecipeManager()
    granularity = {"channel": qtyping.QuantGranularity.CHANNELWISE, "tensor": qtyping.QuantGranularity.TENSORWISE}

    def quantise(operator: Any, bits: int) -> None:
        made.add_static_config(".*", operator, bits, 8, weight_granularity=granularity[per])

    quantise(qtyping.TFLOperationName.ALL_SUPPORTED, 8)
    if activations == "int16":
        for name in OF_INT16:
            quantise(qtyping.TFLOperationName[name], 16)
    return made.get_quantization_recipe()


def _filled(value: float, axes: int) -> NDArray[np.float32]:
    return np.full((1,) * axes, value, np.float32)


def run_float(model: bytes, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """The float model's outputs [N, classes]."""
    interpreter = float_interpreter(model, keep_all=False)
    taken, given = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    outputs = []
    for vector in inputs:
        interpreter.set_tensor(taken, vector[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(given).reshape(-1).copy())
    return np.stack(outputs)
