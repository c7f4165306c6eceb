"""Which kernels can make a few rows of their output at a time, and how their parameters say so.

A kernel that is not listed here never runs by rows. One that is listed looks at nothing but its window's in_h, out_h
and pad_top (or its count of values) to know how many rows there are, and treats what lies below its last input row as
padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyops.compiler.lowered import Call, Field, Lowered, Read
from tinyops.compiler.overlap import by_columns
from tinyops.graph import Graph, Operator, Tensor

BY_CHANNELS = frozenset({"tinyops_depthwise_3x3", "tinyops_depthwise_3x3_lanes"})
WINDOWED = BY_CHANNELS | {
    *("tinyops_conv_2d", "tinyops_conv_2d_packed", "tinyops_conv_2d_lanes", "tinyops_depthwise_conv_2d"),
    *("tinyops_conv_2d_coded", "tinyops_conv_2d_packed_coded"),
    *("tinyops_average_pool_2d", "tinyops_max_pool_2d"),
    *("tinyops_average_pool_2d_packed", "tinyops_max_pool_2d_packed"),
    *("tinyops_conv_2d_int16", "tinyops_conv_2d_int16_packed", "tinyops_depthwise_int16", "tinyops_wide_sums"),
    *("tinyops_average_pool_2d_int16", "tinyops_max_pool_2d_int16"),
}
COUNTED = frozenset(
    f"tinyops_{name}" for name in ("lookup", "quantize", "quantize_real", "requantize", "requantize_int16")
)
_BOTH = (
    "add",
    "sub",
    "mul",
    "div",
    "squared_difference",
    "minimum",
    "maximum",
    "prelu",
    "add_packed",
    "sub_packed",
    "mul_packed",
    "sum_int16",
    "mul_int16",
)
BROADCAST = frozenset(f"tinyops_{name}" for name in _BOTH)  # where nothing is broadcast
MOST_INPUTS = 2  # TINYOPS_ROWS_INPUTS
MOST_HEIGHT = 32_767  # of int16_t


@dataclass(frozen=True)
class Geometry:
    """Row y of the output looks at rows y * stride - pad .. + reach - 1 of the inputs."""

    reach: int
    stride: int
    pad: int


POINTWISE = Geometry(1, 1, 0)


@dataclass(frozen=True)
class Strip:
    """An image of `in_h` rows, `out_h` of whose output are made, with `pad_top` rows of padding above it."""

    in_h: int | str
    out_h: int | str
    pad_top: int | str


def geometry(graph: Graph, operator: Operator, lowered: Lowered) -> Geometry | None:
    """How an operator's rows depend on its inputs' rows; None where it cannot run by rows."""
    call = lowered.main
    if call is None or len(operator.outputs) != 1:
        return None
    tensors = [graph.tensors[a.tensor] for a in call.arguments if isinstance(a, Read)]
    output = graph.tensors[operator.outputs[0]]
    if not 1 <= len(tensors) <= MOST_INPUTS or not all(map(_is_image, (*tensors, output))):
        return None
    if call.function in COUNTED:
        return POINTWISE
    if call.function in WINDOWED:
        g = _window(call)
        turned = call.function == "tinyops_depthwise_3x3" and by_columns(call.params)
        if turned or (g["in_h"], g["in_w"]) != tensors[0].shape[1:3]:  # columns are taken for rows
            return None
        return Geometry((g["kernel_h"] - 1) * g["dilation_h"] + 1, g["stride_h"], g["pad_top"])
    return POINTWISE if call.function in BROADCAST and _is_flat(call) else None


def _is_image(tensor: Tensor) -> bool:
    """Computed, batch 1, and not taller than the rows' counters."""
    fits = len(tensor.shape) == 4 and tensor.shape[0] == 1 and tensor.shape[1] <= MOST_HEIGHT
    return fits and tensor.data is None


def _window(call: Call) -> Mapping[str, Any]:
    window = call.params["window"]
    assert isinstance(window, Mapping)
    return window


def _is_flat(call: Call) -> bool:
    shape = call.params["shape"]
    assert isinstance(shape, Mapping)
    return shape["a_step"] == shape["b_step"] == (0, 0, 0, 1)


def params_of(call: Call, strip: Strip, row_values: int) -> dict[str, Field]:
    """A call's parameters for a strip; `row_values` are in a row of the output.

    The strip's numbers may be names in C, which then stand where the numbers stood.
    """
    params = dict(call.params)
    if call.function in WINDOWED:
        window = {"in_h": strip.in_h, "out_h": strip.out_h, "pad_top": strip.pad_top}
        return {**params, "window": {**_window(call), **window}}
    count = _times(strip.out_h, row_values)
    if call.function in COUNTED:
        return {**params, "count": count}
    shape = params["shape"]
    assert isinstance(shape, Mapping)
    return {**params, "shape": {**shape, "extent": (1, 1, 1, count)}}


def _times(rows: int | str, values: int) -> int | str:
    return f"{rows} * {values}" if isinstance(rows, str) else rows * values
