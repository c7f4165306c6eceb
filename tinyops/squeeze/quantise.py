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

from tinyops.errors import SpecError, ToolError
from tinyops.files import JsonObject, write_atomic
from tinyops.worker import Emit

Ranges = dict[str, tuple[float, float]]
PROGRESS_EVERY = 64


def quantise(request: JsonObject, emit: Emit) -> JsonObject:
    """Writes the int8 model and the float model's outputs; returns the ranges by tensor name.

    Request: `model` (float .tflite), `calibrate` and `evaluate` (.npy of inputs [N, …]), `int8` and `outputs`
    (paths to write), `per` (`channel` or `tensor`: what has a scale of weights).
    """
    model = Path(request["model"]).read_bytes()
    calibrate = np.load(request["calibrate"], allow_pickle=False)
    ranges = find_ranges(model, calibrate, emit)
    write_atomic(Path(request["int8"]), quantised(model, ranges, per=request["per"]))
    evaluate = np.load(request["evaluate"], allow_pickle=False)
    np.save(request["outputs"], run_float(model, evaluate), allow_pickle=False)
    return {"ranges": {name: list(r) for name, r in ranges.items()}}


def _interpreter(model: bytes, *, keep_all: bool) -> Any:
    """The reference kernels, or for a model with operators that have none the optimised ones."""
    from ai_edge_litert.interpreter import OpResolverType

    try:
        return _open(model, OpResolverType.BUILTIN_REF, keep_all)
    except (ValueError, RuntimeError):
        try:
            return _open(model, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, keep_all)
        except (ValueError, RuntimeError) as error:
            raise SpecError(f"the float model cannot be run: {error}") from error


def _open(model: bytes, kernels: Any, keep_all: bool) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # says that keeping all tensors is for debugging
        interpreter = Interpreter(
            model_content=model,
            num_threads=1,
            experimental_op_resolver_type=kernels,
            experimental_preserve_all_tensors=keep_all,
        )
    interpreter.allocate_tensors()
    return interpreter


def find_ranges(model: bytes, inputs: NDArray[np.float32], emit: Emit) -> Ranges:
    """Smallest and largest value of every computed float tensor over the inputs [N, …]."""
    interpreter = _interpreter(model, keep_all=True)
    start = interpreter.get_input_details()[0]["index"]
    made = {start} | {int(i) for op in interpreter._get_ops_details() for i in op["outputs"]}
    details = [d for d in interpreter.get_tensor_details() if d["index"] in made and d["dtype"] is np.float32]
    ranges: dict[str, tuple[float, float]] = {}
    for number, vector in enumerate(inputs):
        interpreter.set_tensor(start, vector[None])
        interpreter.invoke()
        for detail in details:
            values = interpreter.get_tensor(detail["index"])
            low, high = ranges.get(detail["name"], (np.inf, -np.inf))
            ranges[detail["name"]] = (min(low, float(values.min())), max(high, float(values.max())))
        if number % PROGRESS_EVERY == 0:
            emit({"progress": number, "total": len(inputs), "message": "calibrating"})
    bad = [name for name, r in ranges.items() if not np.isfinite(r).all()]
    if bad:
        raise SpecError(f"calibration: {bad[0][:80]} takes values that are not finite", hint="train the model again")
    return ranges


def quantised(model: bytes, ranges: Ranges, *, per: str = "channel") -> bytes:
    """The full-integer int8 .tflite: weights per channel or per tensor, activations per tensor, int8 in and out."""
    from ai_edge_quantizer import quantizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        worker = quantizer.Quantizer(model, _recipe(per))
        shapes = {d["name"]: len(d["shape"]) for d in _interpreter(model, keep_all=False).get_tensor_details()}
        statistics = {
            name: {"min": _filled(low, shapes[name]), "max": _filled(high, shapes[name])}
            for name, (low, high) in ranges.items()
        }
        try:
            result = worker.quantize(statistics, enable_progress_bar=False, enable_progress_report=False)
        except (ValueError, RuntimeError, KeyError) as error:
            raise ToolError(f"ai-edge-quantizer: {error}", hint="use the layers of docs/architectures.md") from error
    return bytes(result.quantized_model)


def _recipe(per: str) -> Any:
    from ai_edge_quantizer import qtyping, recipe_manager

    made = recipe_manager.RecipeManager()
    granularity = {"channel": qtyping.QuantGranularity.CHANNELWISE, "tensor": qtyping.QuantGranularity.TENSORWISE}
    made.add_static_config(".*", qtyping.TFLOperationName.ALL_SUPPORTED, 8, 8, weight_granularity=granularity[per])
    return made.get_quantization_recipe()


def _filled(value: float, axes: int) -> NDArray[np.float32]:
    return np.full((1,) * axes, value, np.float32)


def run_float(model: bytes, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """The float model's outputs [N, classes]."""
    interpreter = _interpreter(model, keep_all=False)
    taken, given = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    outputs = []
    for vector in inputs:
        interpreter.set_tensor(taken, vector[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(given).reshape(-1).copy())
    return np.stack(outputs)
