"""How far each kernel's output may lie over its input, as a pure function of the call's parameters.

A kernel that goes through its output in ascending order stops needing input while it writes output. It says here, by
the name of its C function, in what order it reads and writes; from that and the shapes follows a distance: with
output byte k written at `output + k`, no input byte may be read later that lies at or below it. An output that starts
`distance` bytes before its input, or earlier, is therefore safe, and so is one that shares no byte with it.

A kernel that is not listed here never gets overlapping buffers. One that is listed must keep its order, must not
declare its pointers `restrict`, and says so in its header.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinyops.compiler.distances import (
    MOST_RUNS,
    NEVER,
    buffered_distance,
    channel_distance,
    copy_distance,
    interpolated_distance,
    pad_distance,
    reached_distance,
    rows_distance,
    runs_distance,
    stream_distance,
    window_distance,
)
from tinyops.compiler.lowered import Call, Constant, Read

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Overlap:
    """The output may start `distance` bytes before input tensor `tensor`, or earlier by a multiple of `step`."""

    tensor: int
    distance: int
    step: int = 1


Params = Mapping[str, Any]


def overlaps_of(call: Call) -> tuple[Overlap, ...]:
    """What a call allows, one entry an input that its output may lie over."""
    distances = _DISTANCES.get(call.function)
    if distances is None and call.function not in _BY_TABLES:
        return ()
    tensors = [a.tensor for a in call.arguments if isinstance(a, Read)]
    each = distances(call.params) if distances else _BY_TABLES[call.function](call)
    found = zip(tensors, each, strict=True)
    params: Params = call.params
    step = 1
    if call.function in _BY_CHANNELS:
        step = NEVER if by_columns(params) else params["window"]["in_c"]
    return tuple(Overlap(tensor, max(d, 0), step) for tensor, d in found if d is not None)


def _picked(call: Call) -> list[int | None]:
    """Of tinyops_pick: offsets of each dimension are in a table, the output is written from its start on."""
    import numpy as np

    p: Params = call.params
    extent, run = p["extent"], p["run"]
    if math.prod(extent) > MOST_RUNS:
        return [None]
    (table,) = (a for a in call.arguments if isinstance(a, Constant))
    read = np.zeros(1, np.int64)
    for part in np.split(table.values.astype(np.int64), np.cumsum(extent)[:-1]):
        read = (read[:, None] + part).reshape(-1)
    return [runs_distance(read, np.arange(len(read)) * run, run)]


def _windowed(p: Params) -> list[int | None]:
    return [window_distance(p["window"])]


def _of_two_bytes(window: Params) -> dict[str, int]:
    return {**window, "in_c": 2 * window["in_c"], "out_c": 2 * window["out_c"]}


def _windowed_int16(p: Params) -> list[int | None]:
    """Values of two bytes; a window that goes through scratch has been read when its pixel is written."""
    pixels = _of_two_bytes(p["window"])
    gathers = "pointwise" in p and not p["pointwise"]
    return [buffered_distance(pixels, 1) if gathers else window_distance(pixels)]


def _by_channels(p: Params) -> list[int | None]:
    """Taken by columns, the output lies exactly over an input of the same shape or nowhere."""
    g = p["window"]
    if by_columns(p) and (g["in_h"], g["in_w"]) != (g["out_h"], g["out_w"]):
        return [None]
    return [channel_distance(g, 3)]


def by_columns(p: Params) -> bool:
    """Whether a depthwise kernel takes an image's columns for its rows; the one in lanes never does."""
    return "input" in p and bool(p["input"]["value"] != p["window"]["in_c"])


def _dense(p: Params) -> list[int | None]:
    return [rows_distance(p["rows"], p["inputs"], p["outputs"])]


def _recurrent(p: Params) -> list[int | None]:
    return [rows_distance(p["steps"], p["inputs"], p["units"])]


def _elementwise(p: Params) -> list[int | None]:
    """In place over an operand that is not broadcast: its bytes are read in the order of the output's."""
    shape = p["shape"]
    extent = shape["extent"]
    whole = [0 if e == 1 else math.prod(extent[i + 1 :]) for i, e in enumerate(extent)]
    return [0 if list(shape[steps]) == whole else None for steps in ("a_step", "b_step")]


def _in_place(_p: Params) -> list[int | None]:
    return [0]


_DISTANCES: Mapping[str, Callable[[Params], list[int | None]]] = {
    "tinyops_conv_2d": _windowed,
    "tinyops_conv_2d_coded": lambda p: [window_distance(p["window"], p["pixels"])],
    "tinyops_conv_2d_packed": lambda p: [buffered_distance(p["window"], 2)],
    "tinyops_conv_2d_packed_coded": lambda p: [window_distance(p["window"], 8)],
    "tinyops_conv_2d_lanes": lambda p: [buffered_distance(p["window"], 4)],
    "tinyops_depthwise_conv_2d": _windowed,
    "tinyops_depthwise_3x3": _by_channels,
    "tinyops_lstm": _recurrent,
    "tinyops_lstm_packed": _recurrent,
    "tinyops_depthwise_3x3_lanes": lambda p: [channel_distance(p["window"], 3)],
    "tinyops_conv_2d_int16": _windowed_int16,
    "tinyops_conv_2d_int16_packed": lambda p: [buffered_distance(_of_two_bytes(p["window"]), 2)],
    "tinyops_depthwise_int16": _windowed_int16,
    "tinyops_wide_sums": _windowed_int16,
    "tinyops_average_pool_2d_int16": _windowed_int16,
    "tinyops_max_pool_2d_int16": _windowed_int16,
    "tinyops_mean_int16": _in_place,
    "tinyops_softmax_int16_wide": _in_place,
    "tinyops_sum_int16": _elementwise,
    "tinyops_mul_int16": _elementwise,
    "tinyops_average_pool_2d": _windowed,
    "tinyops_max_pool_2d": _windowed,
    "tinyops_average_pool_2d_packed": _windowed,
    "tinyops_max_pool_2d_packed": _windowed,
    "tinyops_fully_connected": _dense,
    "tinyops_fully_connected_coded": _dense,
    "tinyops_fully_connected_packed": _dense,
    "tinyops_fully_connected_eights": _dense,
    "tinyops_add": _elementwise,
    "tinyops_sub": _elementwise,
    "tinyops_squared_difference": _elementwise,
    "tinyops_mul": _elementwise,
    "tinyops_div": _elementwise,
    "tinyops_prelu": _elementwise,
    "tinyops_minimum": _elementwise,
    "tinyops_maximum": _elementwise,
    "tinyops_add_packed": _elementwise,
    "tinyops_sub_packed": _elementwise,
    "tinyops_mul_packed": _elementwise,
    "tinyops_mean": _in_place,  # an output reads columns of which it is the first, and writes behind none of them
    "tinyops_reduce_max": _in_place,
    "tinyops_reduce_min": _in_place,
    "tinyops_softmax": _in_place,
    "tinyops_softmax_table": _in_place,
    "tinyops_softmax_int16": lambda p: [stream_distance(p["rows"] * p["depth"], 1, 2)],
    "tinyops_log_softmax": _in_place,
    "tinyops_softmax_real": _in_place,
    "tinyops_log_softmax_real": _in_place,
    "tinyops_l2_normalization": _in_place,
    "tinyops_lookup": _in_place,
    "tinyops_quantize": _in_place,  # from wider elements
    "tinyops_quantize_real": _in_place,
    "tinyops_requantize_int16": _in_place,
    "tinyops_requantize": lambda p: [stream_distance(p["count"], p["input_bytes"], p["output_bytes"])],
    "tinyops_dequantize": lambda p: [stream_distance(p["count"], 1, 4)],
    "tinyops_transpose_conv": lambda p: [reached_distance(p["window"])],
    "tinyops_resize_bilinear": lambda p: [interpolated_distance(p)],
    "tinyops_copy": lambda p: [copy_distance(p)],
    "tinyops_dequantize_real": lambda p: [stream_distance(p["count"], p["input_bytes"], 4)],
    "tinyops_pad": lambda p: [pad_distance(p["before"], p["in"], p["out"])],
}

# Kernels whose order of reading lies in a constant.
_BY_TABLES: Mapping[str, Callable[[Call], list[int | None]]] = {"tinyops_pick": _picked}

# Kernels that go through a channel of the whole image before the next: the output's channels must meet the input's.
_BY_CHANNELS = frozenset({"tinyops_depthwise_3x3", "tinyops_depthwise_3x3_lanes"})
