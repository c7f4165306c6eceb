"""How much a kernel does in one call, in counts that its instructions grow with.

`costs.py` has what each count costs on a core, as benchmarks/bench_costs.py measures it. A kernel that has no line
here is counted by the elements that it reads and writes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tinyops.compiler.lowered import Call, Place, Read, Update, Write
from tinyops.graph import Graph

Params: TypeAlias = Mapping[str, Any]
Counts: TypeAlias = tuple[int, ...]


def counts_of(graph: Graph, call: Call) -> Counts:
    """The first count is always 1, for the call itself."""
    count = COUNTS.get(call.function)
    return (1, *count(call.params)) if count else (1, *elements_of(graph, call))


def elements_of(graph: Graph, call: Call) -> Counts:
    """Elements written, elements read."""
    written = sum(graph.tensors[a.tensor].elements for a in call.arguments if isinstance(a, Write | Update))
    read = sum(graph.tensors[a.tensor].elements for a in call.arguments if isinstance(a, Read))
    return (written, read) if not any(isinstance(a, Place) for a in call.arguments) else (0, 0)


def _half(count: int) -> int:
    return -(-count // 2)


def _clamped(p: Params, outputs: int) -> int:
    """Outputs that a second pass limits: where the activation leaves something of int8 out."""
    return outputs if p["min"] > -128 or p["max"] < 127 else 0


def _inside(g: Mapping[str, int]) -> int:
    """Pixels whose window lies inside the image as a whole."""

    def along(out: str, extent: str, taps: str, stride: str, dilation: str, pad: str) -> int:
        last = g[extent] - (g[taps] - 1) * g[dilation] - 1
        return sum(0 <= i * g[stride] - g[pad] <= last for i in range(g[out]))

    rows = along("out_h", "in_h", "kernel_h", "stride_h", "dilation_h", "pad_top")
    return rows * along("out_w", "in_w", "kernel_w", "stride_w", "dilation_w", "pad_left")


def _conv_2d(p: Params) -> Counts:
    """Outputs, rows of windows inside, taps of windows at the edge, products."""
    g = p["window"]
    pixels, inside, taps = g["out_h"] * g["out_w"], _inside(g), g["kernel_h"] * g["kernel_w"]
    edge = (pixels - inside) * g["out_c"] * taps
    return pixels * g["out_c"], inside * g["out_c"] * g["kernel_h"], edge, pixels * g["out_c"] * taps * g["in_c"]


def _conv_2d_coded(p: Params) -> Counts:
    """As of the plain one, and weights that are decoded."""
    g = p["window"]
    times = -(-g["out_h"] * g["out_w"] // p["pixels"])
    return *_conv_2d(p), times * g["out_c"] * g["kernel_h"] * g["kernel_w"] * g["in_c"]


def _conv_2d_packed(p: Params) -> Counts:
    """Pairs of pixels; blocks of two pixels by two filters and steps of four values in them; rows of windows, values
    that are gathered: straight, or through a copy; outputs limited."""
    g, values = p["window"], p["filter_values"]
    pixels = g["out_h"] * g["out_w"]
    blocks = _half(pixels) * _half(g["out_c"])
    rows = 0 if p.get("pointwise") else pixels * g["kernel_h"]
    straight = pixels * values if g["in_c"] % 4 == 0 else 0
    return (
        *(_half(pixels), blocks, blocks * values // 4, rows),
        *(straight, pixels * values - straight, _clamped(p, pixels * g["out_c"])),
    )


def _conv_2d_packed_coded(p: Params) -> Counts:
    """Pairs of pixels by groups of filters that are decoded together; blocks and steps as of the packed one; rows and
    values that are gathered, for each group; values that are decoded."""
    g, values = p["window"], p["filter_values"]
    pixels, pairs = g["out_h"] * g["out_w"], _half(g["out_c"])
    groups = -(-pairs // max(128 // (values // 2 + 5), 1))
    blocks = _half(pixels) * pairs
    rows = 0 if p.get("pointwise") else pixels * g["kernel_h"] * groups
    straight = pixels * values * groups if g["in_c"] % 4 == 0 else 0
    return (
        *(_half(pixels) * groups, blocks, blocks * values // 4, rows),
        *(straight, pixels * values * groups - straight, -(-pixels // 8) * pairs * 2 * values),
    )


def _conv_2d_lanes(p: Params) -> Counts:
    """Fours of pixels, filters of each, products of those; windows and rows of them where they are more than a pixel,
    values that are gathered, and those of windows at the edge again."""
    g, values = p["window"], p["filter_values"]
    pixels = g["out_h"] * g["out_w"]
    fours = -(-pixels // 4)
    windows = 0 if g["kernel_h"] * g["kernel_w"] * g["stride_h"] * g["stride_w"] == 1 else pixels
    return (
        *(fours, fours * g["out_c"], fours * g["out_c"] * values),
        *(windows, windows * g["kernel_h"], pixels * values, (pixels - _inside(g)) * values),
    )


def _depthwise_conv_2d(p: Params) -> Counts:
    """Pixels, fours of channels and single ones, and the taps of each."""
    g = p["window"]
    pixels, taps = g["out_h"] * g["out_w"], g["kernel_h"] * g["kernel_w"]
    fours = g["out_c"] // 4 if p["depth_multiplier"] == 1 else 0
    ones = pixels * (g["out_c"] - 4 * fours)
    return pixels, pixels * fours, ones, pixels * fours * taps, ones * taps


def _depthwise_3x3(p: Params) -> Counts:
    """Channels, rows of outputs, pairs of outputs by stride, rows of inputs, inputs, outputs limited."""
    g = p["window"]
    rows, loaded = g["out_h"] * g["out_c"], (g["stride_h"] * (g["out_h"] - 1) + 3) * g["out_c"]
    pairs = rows * _half(g["out_w"])
    first, second = (pairs, 0) if g["stride_w"] == 1 else (0, pairs)
    limited = _clamped(p, rows * g["out_w"])
    return g["out_c"], rows, first, second, loaded, loaded * g["in_w"], limited


def _gathered(p: Params) -> Counts:
    """Rows of windows that are copied, and values of these."""
    g = p["window"]
    rows = 0 if p["pointwise"] else g["out_h"] * g["out_w"] * g["kernel_h"]
    return rows, 0 if p["pointwise"] else g["out_h"] * g["out_w"] * p["filter_values"]


def _conv_2d_int16(p: Params) -> Counts:
    """Pixels, values of these, fours of filters, values of those, outputs; rows and values of windows."""
    g, values = p["window"], p["filter_values"]
    pixels = g["out_h"] * g["out_w"]
    fours = pixels * -(-g["out_c"] // 4)
    return pixels, pixels * values, fours, fours * values, pixels * g["out_c"], *_gathered(p)


def _conv_2d_int16_packed(p: Params) -> Counts:
    """Pixels, values of these, blocks of two pixels by two filters, steps of four values in them; rows and values of
    windows."""
    g, values = p["window"], p["filter_values"]
    pixels = g["out_h"] * g["out_w"]
    blocks = _half(pixels) * _half(g["out_c"])
    return pixels, pixels * values, blocks, blocks * values // 4, *_gathered(p)


def _dense(p: Params) -> Counts:
    """Outputs, products."""
    outputs = p["rows"] * p["outputs"]
    return outputs, outputs * p["inputs"]


def _dense_packed(p: Params) -> Counts:
    """Fours of outputs, steps of four values in them, outputs limited."""
    fours = p["rows"] * -(-p["outputs"] // 4)
    return fours, fours * -(-p["inputs"] // 8) * 2, _clamped(p, p["rows"] * p["outputs"])


def _dense_eights(p: Params) -> Counts:
    """Eights of outputs, steps of a value in them, outputs."""
    eights = p["rows"] * -(-p["outputs"] // 8)
    return eights, eights * p["inputs"], p["rows"] * p["outputs"]


def _recurrent(p: Params) -> Counts:
    """Answers, products of the four gates."""
    answers = p["steps"] * p["units"]
    return answers, answers * 4 * (p["inputs"] + p["units"])


def _recurrent_packed(p: Params) -> Counts:
    """Answers, steps of four values in four gates at once."""
    answers = p["steps"] * p["units"]
    return answers, answers * 2 * (-(-p["inputs"] // 8) + -(-p["units"] // 8))


def _pool(p: Params) -> Counts:
    """Pixels, outputs, taps."""
    g = p["window"]
    pixels = g["out_h"] * g["out_w"]
    return pixels, pixels * g["out_c"], pixels * g["out_c"] * g["kernel_h"] * g["kernel_w"]


def _pool_packed(p: Params) -> Counts:
    """Pixels, rows of a window and taps, each for four channels at a time."""
    g = p["window"]
    pixels = g["out_h"] * g["out_w"]
    fours = pixels * -(-g["out_c"] // 4)
    return pixels, fours, fours * g["kernel_h"], fours * g["kernel_h"] * g["kernel_w"]


def _rows(p: Params) -> Counts:
    """Rows, values."""
    return p["rows"], p["rows"] * p["depth"]


def _elementwise(p: Params) -> Counts:
    """Elements, and the rows of the last dimension that they lie in."""
    extent = p["shape"]["extent"]
    return math.prod(extent), math.prod(extent[:3])


def _weights(p: Params) -> Counts:
    return (p["count"],)


def _blocks(p: Params) -> Counts:
    return (p["blocks"],)


COUNTS: Mapping[str, Callable[[Params], Counts]] = {
    "tinyops_conv_2d": _conv_2d,
    "tinyops_conv_2d_coded": _conv_2d_coded,
    "tinyops_conv_2d_packed": _conv_2d_packed,
    "tinyops_conv_2d_packed_coded": _conv_2d_packed_coded,
    "tinyops_conv_2d_lanes": _conv_2d_lanes,
    "tinyops_depthwise_conv_2d": _depthwise_conv_2d,
    "tinyops_depthwise_3x3": _depthwise_3x3,
    "tinyops_depthwise_3x3_lanes": _depthwise_3x3,
    "tinyops_conv_2d_int16": _conv_2d_int16,
    "tinyops_conv_2d_int16_packed": _conv_2d_int16_packed,
    "tinyops_depthwise_int16": _depthwise_conv_2d,
    "tinyops_average_pool_2d_int16": _pool,
    "tinyops_max_pool_2d_int16": _pool,
    "tinyops_sum_int16": _elementwise,
    "tinyops_mul_int16": _elementwise,
    "tinyops_fully_connected": _dense,
    "tinyops_fully_connected_coded": _dense,
    "tinyops_fully_connected_packed": _dense_packed,
    "tinyops_fully_connected_eights": _dense_eights,
    "tinyops_lstm": _recurrent,
    "tinyops_lstm_packed": _recurrent_packed,
    "tinyops_average_pool_2d": _pool,
    "tinyops_average_pool_2d_packed": _pool_packed,
    "tinyops_max_pool_2d_packed": _pool_packed,
    "tinyops_max_pool_2d": _pool,
    "tinyops_softmax": _rows,
    "tinyops_softmax_table": _rows,
    "tinyops_add": _elementwise,
    "tinyops_mul": _elementwise,
    "tinyops_mul_packed": _elementwise,
    "tinyops_sub": _elementwise,
    "tinyops_add_packed": _elementwise,
    "tinyops_sub_packed": _elementwise,
    "tinyops_move": _blocks,
    "tinyops_decode": _weights,
}
