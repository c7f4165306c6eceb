"""CONV_2D: input (1, H, W, C), weights (out_c, kernel_h, kernel_w, C)."""

from __future__ import annotations

import math

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Call, Constant, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.weighted import (
    DOT_HEADER,
    WINDOW_HEADER,
    accumulator_fits,
    activation_range,
    factors_fit,
    out_extent,
    requantisation,
    window,
)
from tinyops.compiler.view import OperatorView, constant_values

KERNEL = Kernel("kernels/conv_2d.c", ("tinyops/kernels/conv_2d.h", WINDOW_HEADER, DOT_HEADER))


def _expected(view: OperatorView) -> tuple[int, ...] | None:
    source, weights = view.tensor(0).shape, view.tensor(1).shape
    if len(weights) != 4 or weights[3] != source[3]:
        return None
    height, width = (out_extent(view.options, axis, source[1 + axis], weights[1 + axis]) for axis in (0, 1))
    return (1, height, width, weights[0])


def lower(view: OperatorView) -> Lowered:
    weights, output = view.tensor(1), view.output
    constants, step = requantisation(view, 0)
    low, high = activation_range(view.options.activation, output)
    params: dict[str, Field] = {
        "window": window(view, (weights.shape[1], weights.shape[2])),
        "input_zero_point": view.tensor(0).zero_point,
        "output_zero_point": output.zero_point,
        "min": low,
        "max": high,
        "channel_step": step,
    }
    stored = Constant("weights", "int8_t", constant_values(weights).reshape(-1), f"weights {weights.shape}")
    call = Call(
        "tinyops_conv_2d",
        "tinyops_conv_2d_params",
        params,
        (Read(view.tensor(0).index), stored, *constants, Write(output.index)),
    )
    return Lowered((call,), KERNEL, output.elements * math.prod(weights.shape[1:]))


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
            c.shape_is("input, weights and output agree, without groups", _expected),
            c.symmetric_weights(0),
            c.bias(lambda view: view.output.shape[3]),
            c.activation(),
            factors_fit(),
            accumulator_fits(0),
        ),
        lower,
    ),
)
