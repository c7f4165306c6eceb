"""CONV_2D: input (1, H, W, C), weights (out_c, kernel_h, kernel_w, C)."""

from __future__ import annotations

import math

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Argument, Call, Constant, Field, Kernel, Lowered, Read, Scratch, Write
from tinyops.compiler.ops.coded import CODED_HEADERS, coded, coded_like
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.lanes import (
    LANES_HEADERS,
    MAX_FILLED_BYTES,
    block_codes,
    filled_filters,
    filter_constants,
    filter_groups,
    lanes,
)
from tinyops.compiler.ops.packed import (
    MAX_SCRATCH_BYTES,
    PACKED_HEADER,
    filled_up,
    filter_pairs,
    packed,
    packed_weights,
    pair_constants,
)
from tinyops.compiler.ops.weighted import (
    DOT_HEADER,
    WINDOW_HEADER,
    accumulator_fits,
    factors_fit,
    out_extent,
    requantisation,
    window,
    window_params,
)
from tinyops.compiler.view import OperatorView, constant_values

KERNEL = Kernel("kernels/conv_2d.c", ("tinyops/kernels/conv_2d.h", WINDOW_HEADER, DOT_HEADER), reads_flash=True)
PAIRS_HEADER = "tinyops/kernels/conv_2d_pairs.h"
PACKED_KERNEL = Kernel(
    "kernels/conv_2d_packed.c", ("tinyops/kernels/conv_2d_packed.h", PAIRS_HEADER, WINDOW_HEADER, PACKED_HEADER)
)
LANES_KERNEL = Kernel("kernels/conv_2d_lanes.c", ("tinyops/kernels/conv_2d_lanes.h", WINDOW_HEADER, *LANES_HEADERS))
CODED_KERNEL = Kernel(
    "kernels/conv_2d_coded.c", ("tinyops/kernels/conv_2d_coded.h", WINDOW_HEADER, *CODED_HEADERS), reads_flash=True
)
CODED_PACKED_KERNEL = Kernel(
    "kernels/conv_2d_packed_coded.c",
    ("tinyops/kernels/conv_2d_packed_coded.h", PAIRS_HEADER, *CODED_HEADERS, *PACKED_KERNEL.headers),
)

CODED_PIXELS, NEAR_PIXELS = 8, 2  # that a decoded filter serves: more keep the output further from the input
DECODED_WORDS, PAIR_CONSTANTS = 128, 5  # of the packed kernel that looks weights up, as its C has them
MAX_LANES_BYTES = 8192  # of scratch


def _expected(view: OperatorView) -> tuple[int, ...] | None:
    source, weights = view.tensor(0).shape, view.tensor(1).shape
    if len(weights) != 4 or weights[3] != source[3]:
        return None
    height, width = (out_extent(view.options, axis, source[1 + axis], weights[1 + axis]) for axis in (0, 1))
    return (1, height, width, weights[0])


def lower(view: OperatorView) -> Lowered:
    weights = view.tensor(1)
    constants, step = requantisation(view, 0)
    stored = Constant("weights", "int8_t", constant_values(weights).reshape(-1), f"weights {weights.shape}")
    params: dict[str, Field] = {**window_params(view), "channel_step": step}
    arguments: tuple[Argument, ...] = (Read(view.tensor(0).index), stored, *constants, Write(view.output.index))
    call = Call("tinyops_conv_2d", "tinyops_conv_2d_params", params, arguments)
    return Lowered((call,), KERNEL, _macs(view))


def _packed(view: OperatorView) -> Lowered | None:
    """With the kernel for cores that multiply two values at a time, where it can serve."""
    weights = view.tensor(1)
    found, scratch = packed(view, 0), _packed_scratch(view)
    if found is None or scratch.bytes > MAX_SCRATCH_BYTES:
        return None
    note = f"weights {weights.shape}, biases and factors, by pairs of filters"
    stored = Constant("weights", "int32_t", filter_pairs(found), note)
    params = _packed_params(view)
    arguments: tuple[Argument, ...] = (Read(view.tensor(0).index), stored, Write(view.output.index), scratch)
    call = Call("tinyops_conv_2d_packed", "tinyops_conv_2d_packed_params", params, arguments)
    return Lowered((call,), PACKED_KERNEL, _macs(view))


def _packed_scratch(view: OperatorView) -> Scratch:
    shape = view.tensor(1).shape
    values = filled_up(math.prod(shape[1:]))
    return Scratch("uint32_t", values if shape[3] % 4 == 0 else values + values // 4)


def _packed_params(view: OperatorView) -> dict[str, Field]:
    shape = view.tensor(1).shape
    values = filled_up(math.prod(shape[1:]))
    pointwise = tuple(shape[1:3]) == (1, 1) and shape[3] == values and _never_outside(view)
    return {**window_params(view), "filter_values": values, "pointwise": int(pointwise)}


def _coded_packed(view: OperatorView) -> Lowered | None:
    """The packed kernel that looks weights up, where these have few values."""
    found, shape = packed(view, 0) if view.tensor(0).dtype == "int8" else None, view.tensor(1).shape
    if found is None:
        return None
    words = packed_weights(found.filters, 2)
    stored = coded_like(found.filters, words.view("int8").reshape(1, -1))
    pair_words = filled_up(math.prod(shape[1:])) // 2 + PAIR_CONSTANTS
    own, held = _packed_scratch(view), max(DECODED_WORDS // pair_words, 1)
    scratch = Scratch("uint32_t", own.count + held * pair_words)
    if stored is None or scratch.bytes > MAX_SCRATCH_BYTES:
        return None
    note = "biases and factors, by pairs of filters"
    arguments: tuple[Argument, ...] = (
        Read(view.tensor(0).index),
        *stored.constants(f"weights {shape}, by pairs of filters"),
        Constant("constants", "int32_t", pair_constants(found).reshape(-1), note),
        Write(view.output.index),
        scratch,
    )
    name = "tinyops_conv_2d_packed"
    call = Call(f"{name}_coded", f"{name}_params", _packed_params(view), arguments)
    return Lowered((call,), CODED_PACKED_KERNEL, _macs(view))


def _never_outside(view: OperatorView) -> bool:
    """Whether no window of one tap lies outside the image."""
    g = window(view, (1, 1))
    ends = ((g["out_h"] - 1) * g["stride_h"] < g["in_h"], (g["out_w"] - 1) * g["stride_w"] < g["in_w"])
    return g["pad_top"] == g["pad_left"] == 0 and all(ends)


def _lanes(view: OperatorView) -> Lowered | None:
    """With the kernel for cores without the DSP extension, where it can serve."""
    weights = view.tensor(1)
    found = lanes(view, 0)
    values = filled_up(math.prod(weights.shape[1:]), 4)
    scratch = Scratch("uint32_t", 2 * values)
    if found is None or scratch.bytes > MAX_LANES_BYTES:
        return None
    filters = filled_filters(found.filters, values)
    stored, codes = filter_groups(filters), block_codes(filters)
    if codes is None or stored.size - found.filters.size > MAX_FILLED_BYTES:
        return None
    note = f"weights {weights.shape}, by groups of filters"
    params: dict[str, Field] = {**window_params(view), "filter_values": values}
    arguments: tuple[Argument, ...] = (
        Read(view.tensor(0).index),
        Constant("weights", "int8_t", stored, note),
        *filter_constants(found, codes),
        Write(view.output.index),
        scratch,
    )
    call = Call("tinyops_conv_2d_lanes", "tinyops_conv_2d_lanes_params", params, arguments)
    return Lowered((call,), LANES_KERNEL, _macs(view))


def _coded(view: OperatorView) -> Lowered | None:
    """With the kernel that looks weights up, where these have few values."""
    return _coded_for(view, CODED_PIXELS)


def _coded_near(view: OperatorView) -> Lowered | None:
    """The same for fewer pixels: the output may lie further over the input."""
    return _coded_for(view, NEAR_PIXELS)


def _coded_for(view: OperatorView, pixels: int) -> Lowered | None:
    weights, found = view.tensor(1), coded(view, 0)
    if found is None:
        return None
    constants, step = requantisation(view, 0)
    params: dict[str, Field] = {**window_params(view), "pixels": pixels, "channel_step": step}
    arguments: tuple[Argument, ...] = (
        Read(view.tensor(0).index),
        *found.constants(f"weights {weights.shape}"),
        *constants,
        Write(view.output.index),
        Scratch("int8_t", math.prod(weights.shape[1:])),
    )
    call = Call("tinyops_conv_2d_coded", "tinyops_conv_2d_coded_params", params, arguments)
    return Lowered((call,), CODED_KERNEL, _macs(view))


def _macs(view: OperatorView) -> int:
    return view.output.elements * math.prod(view.tensor(1).shape[1:])


SHAPES = c.shape_is("input, weights and output agree, without groups", _expected)

KINDS = (
    OperatorKind(
        "CONV_2D",
        (
            c.operands(2, 3),
            c.quantised(0, "input"),
            c.quantised(-1, "output"),
            c.constant(1, "weights", ("int8",)),
            c.ranks(4, 4),
            c.one_image(),
            SHAPES,
            c.symmetric_weights(0),
            c.bias(lambda view: view.output.shape[3]),
            c.activation(),
            factors_fit(),
            accumulator_fits(0),
        ),
        lower,
        (_packed, _lanes, _coded_near, _coded, _coded_packed),
    ),
)
