"""DEPTHWISE_CONV_2D: input (1, H, W, C), weights (1, kernel_h, kernel_w, C x multiplier)."""

from __future__ import annotations

from collections.abc import Mapping

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Argument, Call, Constant, Field, Kernel, Lowered, Read, Scratch, Write
from tinyops.compiler.ops.coded import decoded_first
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.lanes import LANES_HEADERS, SMALL_ACCUMULATOR, filter_constants, lanes, window_codes
from tinyops.compiler.ops.packed import MAX_SCRATCH_BYTES, PACKED_HEADER, filled_up, packed
from tinyops.compiler.ops.weighted import (
    WINDOW_HEADER,
    accumulator_fits,
    factors_fit,
    out_extent,
    requantisation,
    window_params,
)
from tinyops.compiler.view import OperatorView, constant_values

KERNEL = Kernel("kernels/depthwise_conv_2d.c", ("tinyops/kernels/depthwise_conv_2d.h", WINDOW_HEADER), reads_flash=True)
BY_CHANNELS_KERNEL = Kernel(
    "kernels/depthwise_3x3.c", ("tinyops/kernels/depthwise_3x3.h", WINDOW_HEADER, PACKED_HEADER)
)

LANES_KERNEL = Kernel(
    "kernels/depthwise_3x3_lanes.c", ("tinyops/kernels/depthwise_3x3_lanes.h", WINDOW_HEADER, *LANES_HEADERS)
)


def _expected(view: OperatorView) -> tuple[int, ...] | None:
    source, weights = view.tensor(0).shape, view.tensor(1).shape
    if len(weights) != 4 or weights[0] != 1 or weights[3] % source[3]:
        return None
    if view.options.depth_multiplier not in (0, weights[3] // source[3]):
        return None
    height, width = (out_extent(view.options, axis, source[1 + axis], weights[1 + axis]) for axis in (0, 1))
    return (1, height, width, weights[3])


def lower(view: OperatorView) -> Lowered:
    source, weights = view.tensor(0), view.tensor(1)
    constants, step = requantisation(view, 3)
    stored = Constant("weights", "int8_t", constant_values(weights).reshape(-1), f"weights {weights.shape}")
    params: dict[str, Field] = {
        **window_params(view),
        "channel_step": step,
        "depth_multiplier": weights.shape[3] // source.shape[3],
    }
    arguments: tuple[Argument, ...] = (Read(source.index), stored, *constants, Write(view.output.index))
    call = Call("tinyops_depthwise_conv_2d", "tinyops_depthwise_conv_2d_params", params, arguments)
    return Lowered((call,), KERNEL, _macs(view))


def _by_channels(view: OperatorView) -> Lowered | None:
    """With the 3x3 kernel for cores that multiply two values at a time, where it can serve."""
    source, weights = view.tensor(0), view.tensor(1)
    params = window_params(view)
    by_columns = _better_by_columns(params["window"])
    window = _exchanged(params["window"]) if by_columns else params["window"]
    stride = window["stride_w"]
    row_values = 4 + stride * filled_up(window["out_w"], 2)
    scratch = Scratch("int16_t", 3 * row_values)
    fits = _is_3x3(view) and stride in (1, 2) and scratch.bytes <= MAX_SCRATCH_BYTES
    found = packed(view, 3) if fits else None
    if found is None:
        return None
    order, lines = ("by channels and columns", (0, 2, 1)) if by_columns else ("by channels", (0, 1, 2))
    filters = found.filters.reshape(-1, 3, 3).transpose(lines).reshape(-1)
    stored = Constant("weights", "int8_t", filters, f"weights {weights.shape}, {order}")
    steps = {f: _steps(t.shape, by_columns) for f, t in (("input", source), ("output", view.output))}
    params = {**window_params(view), "channel_step": found.step, "window": window, **steps, "row_values": row_values}
    arguments: tuple[Argument, ...] = (Read(source.index), stored, *found.constants, Write(view.output.index), scratch)
    call = Call("tinyops_depthwise_3x3", "tinyops_depthwise_3x3_params", params, arguments)
    return Lowered((call,), BY_CHANNELS_KERNEL, _macs(view))


def _better_by_columns(window: Mapping[str, int]) -> bool:
    """Whether fewer pairs of outputs come of the columns than of the rows; odd ones count as pairs."""
    height, width = window["out_h"], window["out_w"]
    same_place = window["stride_h"] == window["stride_w"] == 1  # else the output could not lie over the input
    return same_place and width * filled_up(height, 2) < height * filled_up(width, 2)


def _exchanged(window: Mapping[str, int]) -> dict[str, int]:
    """A window with height and width exchanged."""
    pairs = (("in_h", "in_w"), ("out_h", "out_w"), ("kernel_h", "kernel_w"), ("stride_h", "stride_w"))
    names = dict((*pairs, ("dilation_h", "dilation_w"), ("pad_top", "pad_left")))
    names |= {b: a for a, b in names.items()}
    return {name: window[names.get(name, name)] for name in window}


def _steps(shape: tuple[int, ...], by_columns: bool) -> dict[str, int]:
    """Fields of tinyops_step."""
    _, _, width, channels = shape
    value, row = channels, width * channels
    return {"value": row, "row": value} if by_columns else {"value": value, "row": row}


def _is_3x3(view: OperatorView) -> bool:
    """Whether each channel has one 3x3 filter, without dilation."""
    weights, dilation = view.tensor(1).shape, tuple(view.options.dilation)
    return weights[1:] == (3, 3, view.tensor(0).shape[3]) and dilation == (1, 1)


def _lanes(view: OperatorView) -> Lowered | None:
    """With the 3x3 kernel for cores without the DSP extension, where it can serve."""
    columns = view.options.stride[1] * (filled_up(view.output.shape[2], 2) // 2 - 1) + 3
    scratch = Scratch("uint32_t", 3 * columns)
    fits = _is_3x3(view) and view.output.shape[2] >= 2 and scratch.bytes <= MAX_SCRATCH_BYTES
    found = lanes(view, 3, SMALL_ACCUMULATOR) if fits else None
    codes = window_codes(found.filters) if found else None
    if found is None or codes is None:
        return None
    note = f"weights {view.tensor(1).shape}, by channels"
    params: dict[str, Field] = {**window_params(view), "columns": columns}
    arguments: tuple[Argument, ...] = (
        Read(view.tensor(0).index),
        Constant("weights", "int8_t", found.filters.reshape(-1), note),
        *filter_constants(found, codes),
        Write(view.output.index),
        scratch,
    )
    call = Call("tinyops_depthwise_3x3_lanes", "tinyops_depthwise_3x3_lanes_params", params, arguments)
    return Lowered((call,), LANES_KERNEL, _macs(view))


def _coded(view: OperatorView) -> Lowered | None:
    """With coded weights in front of the plain kernel. AVR's reads flash, which is another address space."""
    return None if view.cpu == "avr" else decoded_first(lower(view))


def _coded_by_channels(view: OperatorView) -> Lowered | None:
    """In front of the kernels for one core or the other."""
    return decoded_first(_by_channels(view) or _lanes(view))


def _macs(view: OperatorView) -> int:
    _, height, width, _ = view.tensor(1).shape
    return view.output.elements * height * width


SHAPES = c.shape_is("input, weights, depth multiplier and output agree", _expected)

KINDS = (
    OperatorKind(
        "DEPTHWISE_CONV_2D",
        (
            c.operands(2, 3),
            c.quantised(0, "input"),
            c.quantised(-1, "output"),
            c.constant(1, "weights", ("int8",)),
            c.ranks(4, 4),
            c.one_image(),
            SHAPES,
            c.symmetric_weights(3),
            c.bias(lambda view: view.output.shape[3]),
            c.activation(),
            factors_fit(),
            accumulator_fits(3),
        ),
        lower,
        (_by_channels, _lanes, _coded, _coded_by_channels),
    ),
)
