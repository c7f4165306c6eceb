"""TRANSPOSE_CONV: input (1, H, W, C), weights (out_c, kernel_h, kernel_w, C), the output's shape given."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Argument, Call, Constant, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.weighted import (
    DOT_HEADER,
    WINDOW_HEADER,
    activation_range,
    factors_fit,
    per_channel,
    requantisation,
)
from tinyops.compiler.view import OperatorView, constant_values, int64_values
from tinyops.graph import TransposeConvOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KERNEL = Kernel(
    "kernels/transpose_conv.c", ("tinyops/kernels/transpose_conv.h", WINDOW_HEADER, DOT_HEADER), reads_flash=True
)
MOST_BIASES = 1 << 16
LARGEST_VALUE = 255  # an input less its zero point


def _as_conv(view: OperatorView) -> OperatorView:
    """With input, weights and bias where a convolution has them; they are at 2, 1 and 3 here."""
    given = view.operator.inputs
    return replace(view, operator=replace(view.operator, inputs=(given[2], given[1], *given[3:])))


def _on_conv(constraint: c.Constraint) -> c.Constraint:
    return replace(constraint, check=lambda view: constraint.check(_as_conv(view)))


def _expected(view: OperatorView) -> tuple[int, ...] | None:
    """The shape that the file gives, where input, weights and output agree about the channels."""
    wanted, source, weights = c.integers_of(view.tensor(0)), view.tensor(2).shape, view.tensor(1).shape
    agree = len(source) == len(weights) == len(wanted) == 4 and weights[3] == source[3] and wanted[3] == weights[0]
    return tuple(wanted) if agree else None


def _pads(view: OperatorView) -> tuple[int, int]:
    """Rows and columns in front that are cut off, as of the convolution that leads from the output to the input."""
    options, weights = view.options, view.tensor(1).shape
    assert isinstance(options, TransposeConvOptions)
    found = []
    for axis in (0, 1):
        extent, taps, stride = view.output.shape[1 + axis], weights[1 + axis], options.stride[axis]
        # Rounded towards zero, as in C, where an output is smaller than the weights.
        count = -(-extent // stride) if options.padding == "SAME" else int((extent + stride - taps) / stride)
        found.append(max((count - 1) * stride + taps - extent, 0) // 2)
    return found[0], found[1]


def _too_many_biases(view: OperatorView) -> str | None:
    count = math.prod(view.options.stride) * view.tensor(1).shape[0]
    return None if count <= MOST_BIASES else f"{count:,}"


def _does_not_fit(view: OperatorView) -> str | None:
    conv = _as_conv(view)
    bound = int((abs(_given_bias(conv)) + LARGEST_VALUE * abs(_filters(conv)).sum(axis=1)).max())
    return None if bound < 2**31 else f"up to {bound:,}"


def _filters(conv: OperatorView) -> NDArray[np.int64]:
    return per_channel(int64_values(conv.tensor(1)), 0)


def _given_bias(conv: OperatorView) -> Any:
    given = conv.input(2)
    return 0 if given is None else int64_values(given).reshape(-1)


def _biases(view: OperatorView) -> NDArray[Any]:
    """(stride_h, stride_w, out_c): the input's zero point folded in, times the taps that reach such an output."""
    import numpy as np

    conv, (stride_h, stride_w) = _as_conv(view), view.options.stride
    taps = int64_values(conv.tensor(1)).sum(axis=3)
    found = np.zeros((stride_h, stride_w, taps.shape[0]), np.int64)
    for y in range(min(stride_h, taps.shape[1])):
        for x in range(min(stride_w, taps.shape[2])):
            found[y, x] = taps[:, y::stride_h, x::stride_w].sum(axis=(1, 2))
    folded: NDArray[Any] = (_given_bias(conv) - conv.tensor(0).zero_point * found).astype(np.int32)
    return folded


def lower(view: OperatorView) -> Lowered:
    conv, weights, output = _as_conv(view), view.tensor(1), view.output
    (_, multiplier, shift), step = requantisation(conv, 0)
    low, high = activation_range(view.options.activation, output)
    params: dict[str, Field] = {
        "window": _window(view),
        "input_zero_point": conv.tensor(0).zero_point,
        "output_zero_point": output.zero_point,
        "min": low,
        "max": high,
        "channel_step": step,
    }
    stored = Constant("weights", "int8_t", constant_values(weights).reshape(-1), f"weights {weights.shape}")
    bias = Constant("bias", "int32_t", _biases(view).reshape(-1), "bias by row and column of the stride")
    source = Read(conv.tensor(0).index)
    arguments: tuple[Argument, ...] = (source, stored, bias, multiplier, shift, Write(output.index))
    call = Call("tinyops_transpose_conv", "tinyops_transpose_conv_params", params, arguments)
    macs = math.prod(conv.tensor(0).shape[1:3]) * math.prod(weights.shape)
    return Lowered((call,), KERNEL, macs)


def _window(view: OperatorView) -> dict[str, int]:
    source, weights, output, (top, left) = view.tensor(2).shape, view.tensor(1).shape, view.output.shape, _pads(view)
    stride = view.options.stride
    return {
        **dict(zip(("in_h", "in_w", "in_c"), source[1:], strict=True)),
        **dict(zip(("out_h", "out_w", "out_c"), output[1:], strict=True)),
        **dict(zip(("kernel_h", "kernel_w"), weights[1:3], strict=True)),
        **dict(zip(("stride_h", "stride_w"), stride, strict=True)),
        **dict.fromkeys(("dilation_h", "dilation_w"), 1),
        "pad_top": top,
        "pad_left": left,
    }


KINDS = (
    OperatorKind(
        "TRANSPOSE_CONV",
        (
            c.operands(3, 4),
            c.quantised(2, "input"),
            c.quantised(-1, "output"),
            c.constant(1, "weights", ("int8",)),
            c.constant(0, "extents of the output", ("int32",)),
            c.shape_is("the output has the extents that the file gives, and the channels agree", _expected),
            _on_conv(c.one_image()),
            c.symmetric_weights(0),
            _on_conv(c.bias(lambda view: view.output.shape[3])),
            c.activation(),
            c.holds(f"strides times output channels are at most {MOST_BIASES:,}", _too_many_biases),
            _on_conv(factors_fit()),
            c.holds("sums of products and bias stay within 32 bits for every input", _does_not_fit),
        ),
        lower,
    ),
)
