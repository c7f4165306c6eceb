"""Inputs for any model, and what TFLM's own interpreter makes of them.

Arrays are [vectors, *shape] for each input tensor, [vectors, bytes] for each output tensor.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyops.errors import SpecError, ToolError
from tinyops.files import MIB
from tinyops.graph import Graph, Tensor
from tinyops.worker import call_worker

VECTORS = 16  # as many as golden.bin has
VECTORS_BYTES, FEWEST_VECTORS = 64 * MIB, 2  # of all of them together
INPUTS_LIMIT_BYTES = 256 * MIB
VECTORS_LIMIT = 10_000
START_S, SECONDS_A_VECTOR = 60.0, 2.0
FLOAT_STEP = 32  # noise as floats: bytes / 32, in [-4, 4)

Array = NDArray[Any]


def golden_inputs(graph: Graph, count: int = VECTORS) -> tuple[Array, ...]:
    """The same vectors on every machine: the least value, the largest, the zero point, then noise; fewer of inputs
    of many megabytes."""
    largest = max(graph.tensors[index].bytes for index in graph.inputs)
    count = min(count, max(VECTORS_BYTES // largest, FEWEST_VECTORS))
    return tuple(_golden(graph.tensors[index], position, count) for position, index in enumerate(graph.inputs))


def _golden(tensor: Tensor, position: int, count: int) -> Array:
    dtype = np.dtype(tensor.dtype)
    found = np.stack([_noise(tensor, dtype, f"{position} {number}") for number in range(count)])
    for number, value in enumerate(_extremes(tensor, dtype)[:count]):
        found[number] = value
    return found


def _extremes(tensor: Tensor, dtype: np.dtype[Any]) -> tuple[Any, ...]:
    """Saturations that real data never reaches, and what stands for 0."""
    if dtype.kind == "f":
        return (-128 / FLOAT_STEP, 127 / FLOAT_STEP, 0)
    if dtype.kind == "b":
        return (False, True)
    limits = np.iinfo(dtype)
    zero_point = tensor.quantisation.zero_points[0] if tensor.quantisation else 0
    return (limits.min, limits.max, zero_point)


def _noise(tensor: Tensor, dtype: np.dtype[Any], name: str) -> Array:
    """Bytes that no release of numpy will ever draw differently, as values of the tensor."""
    size = tensor.elements if dtype.kind in "fb" else tensor.bytes
    drawn = np.frombuffer(hashlib.shake_256(f"tinyops bench {name}".encode()).digest(size), np.int8)
    values: Array = drawn.view(dtype) if dtype.kind not in "fb" else drawn
    if dtype.kind == "f":
        values = (drawn / FLOAT_STEP).astype(dtype)
    elif dtype.kind == "b":
        values = drawn < 0
    return values.reshape(tensor.shape)


def read_inputs(path: Path, graph: Graph) -> tuple[Array, ...]:
    """The rows of a .npy file as vectors: [N, *shape], or without the batch of 1, in the input's own type.

    Raises SpecError for anything else, naming what there is and what is wanted.
    """
    if len(graph.inputs) != 1:
        raise SpecError(f"{path}: the model has {len(graph.inputs)} inputs, a .npy file holds one array")
    tensor = graph.tensors[graph.inputs[0]]
    values = _load(path)
    if values.dtype != np.dtype(tensor.dtype):
        raise SpecError(
            f"{path}: holds {values.dtype}, the model's input {tensor.name!r} is {tensor.dtype}",
            hint=_quantise_hint(tensor),
        )
    shapes = (tensor.shape, tensor.shape[1:]) if tensor.shape[:1] == (1,) else (tensor.shape,)
    if not len(values) or len(values) > VECTORS_LIMIT or values.shape[1:] not in shapes:
        raise SpecError(
            f"{path}: has the shape {list(values.shape)}, wanted are 1 to {VECTORS_LIMIT:,} rows of "
            + " or ".join(str(list(shape)) for shape in shapes)
        )
    return (values.reshape(len(values), *tensor.shape),)


def _load(path: Path) -> Array:
    try:
        if path.stat().st_size > INPUTS_LIMIT_BYTES:
            raise SpecError(f"{path}: larger than {INPUTS_LIMIT_BYTES:,} bytes", hint="bench fewer rows")
        values = np.lib.format.open_memmap(path, mode="r")  # no pickles, and no more bytes than the file has
    except (OSError, ValueError, EOFError, OverflowError) as error:
        raise SpecError(f"{path}: not a .npy file: {error}", hint="numpy.save writes one") from error
    if values.ndim == 0:
        raise SpecError(f"{path}: does not hold one array of rows", hint="numpy.save writes one")
    return np.array(values, dtype=values.dtype.newbyteorder("="), subok=False)


def _quantise_hint(tensor: Tensor) -> str:
    if tensor.quantisation is None:
        return f"convert it: values.astype({tensor.dtype!r})"
    scale, zero = tensor.quantisation.scales[0], tensor.quantisation.zero_points[0]
    return f"quantise it: round(value / {scale:.9g}) + {zero}, clipped to {tensor.dtype}"


def reference_outputs(model: Path, inputs: Sequence[Array], outputs: int) -> tuple[Array, ...]:
    """What TFLM's interpreter gives for each output tensor: [vectors, bytes], all through one new interpreter.

    A model that keeps state sees the vectors as a sequence.

    Raises SpecError when it refuses the model, ToolError when it crashes or is not done in time.
    """
    with tempfile.TemporaryDirectory(prefix="tinyops-reference-") as folder:
        given, made = Path(folder) / "inputs.npz", Path(folder) / "outputs.npz"
        np.savez(given, allow_pickle=False, **{f"input_{i}": values for i, values in enumerate(inputs)})
        call_worker(
            "tinyops.build.reference_worker",
            {"model": str(model.resolve()), "inputs": str(given), "made": str(made), "outputs": outputs},
            what=f"tflite-micro with {model.name}",
            timeout_s=START_S + SECONDS_A_VECTOR * len(inputs[0]),
        )
        with np.load(made, allow_pickle=False) as found:
            arrays = tuple(found[f"output_{i}"] for i in range(outputs))
    if any(len(array) != len(inputs[0]) for array in arrays):
        raise ToolError(f"tflite-micro with {model.name}: did not answer every vector")
    return arrays
