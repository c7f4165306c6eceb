"""What convolutions and dense layers share: folded biases, requantisation constants, activation ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tinyops.compiler.constraints import Constraint
from tinyops.compiler.fixed_point import Multiplier, float32, quantise_multiplier, round_half_away
from tinyops.compiler.lowered import Constant
from tinyops.compiler.view import OperatorView, int64_values
from tinyops.graph import ConvOptions, Pads, PoolOptions, Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST_FACTOR = 2.0**30


def activation_range(name: str, output: Tensor) -> tuple[int, int]:
    """int8 limits of a fused activation, in the float32 arithmetic of the interpreter."""

    def at(real: float) -> int:
        return output.zero_point + round_half_away(float32(min(max(real / output.scale, -1e6), 1e6)))

    limits = {"NONE": (-128, 127), "RELU": (at(0), 127), "RELU6": (at(0), at(6)), "RELU_N1_TO_1": (at(-1), at(1))}
    low, high = limits[name]
    return max(low, -128), min(high, 127)


def per_channel(weights: NDArray[Any], axis: int) -> NDArray[np.int64]:
    """Weights (any shape) as (channels, everything else), int64."""
    import numpy as np

    return np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1).astype(np.int64)


def folded_bias(view: OperatorView, axis: int) -> NDArray[np.int64]:
    """The bias with the input's zero point folded in: bias - zero_point x sum of the channel's weights."""
    rows = per_channel(int64_values(view.tensor(1)), axis)
    given = view.input(2)
    bias = 0 if given is None else int64_values(given).reshape(-1)
    folded: NDArray[np.int64] = bias - view.tensor(0).zero_point * rows.sum(axis=1)
    return folded


def accumulator_bound(view: OperatorView, axis: int) -> int:
    """Largest magnitude that any partial sum can reach, over all channels and inputs."""
    return largest_sum(per_channel(int64_values(view.tensor(1)), axis), folded_bias(view, axis))


def largest_sum(rows: NDArray[np.int64], bias: NDArray[np.int64]) -> int:
    """Largest magnitude of a bias (channels) and any part of the products of weights (channels, values) with bytes."""
    return int((abs(bias) + 128 * abs(rows).sum(axis=1)).max())


def accumulator_fits(axis: int) -> Constraint:
    return sums_fit(lambda view: accumulator_bound(view, axis))


def sums_fit(bound: Callable[[OperatorView], int]) -> Constraint:
    """No input can make an accumulator leave 32 bits: the interpreter's result would be undefined."""

    def check(view: OperatorView) -> str | None:
        found = bound(view)
        return None if found < 2**31 else f"up to {found:,}"

    return Constraint("sums of products and bias stay within 32 bits for every input", check)


def channel_factors(view: OperatorView) -> tuple[float, ...]:
    """Real factor from accumulator to output, one or one per channel, as the interpreter computes it."""
    source, weights, output = view.tensor(0), view.tensor(1), view.output
    assert weights.quantisation is not None
    scales = weights.quantisation.scales
    if view.operator.name == "FULLY_CONNECTED" and len(scales) == 1:
        return (float32(source.scale * scales[0]) / output.scale,)  # the interpreter multiplies in float32 here
    return tuple(source.scale * scale / output.scale for scale in scales)


def factors_fit(factors: Callable[[OperatorView], Iterable[float]] = channel_factors) -> Constraint:
    def check(view: OperatorView) -> str | None:
        largest = max(factors(view))
        return None if largest < LARGEST_FACTOR else f"a factor of {largest:g}"

    return Constraint("scales differ by a factor below 2^30", check)


def requantisation(view: OperatorView, axis: int) -> tuple[tuple[Constant, ...], int]:
    """bias, multiplier and shift arrays, and the step between channels in the latter two."""
    import numpy as np

    factors: list[Multiplier] = [quantise_multiplier(f) for f in channel_factors(view)]
    constants = (
        Constant("bias", "int32_t", folded_bias(view, axis).astype(np.int32), "bias, input zero point folded in"),
        Constant("multiplier", "int32_t", np.array([f.multiplier for f in factors], np.int32), "to the output's scale"),
        Constant("shift", "int8_t", np.array([f.shift for f in factors], np.int8), "to the output's scale"),
    )
    return constants, 0 if len(factors) == 1 else 1


def out_extent(options: ConvOptions | PoolOptions, axis: int, extent: int, taps: int) -> int:
    """Output extent along height (0) or width (1); not positive where a window does not fit."""
    stride, dilation = options.stride[axis], dilation_of(options)[axis]
    if options.pads is not None:
        return (extent + sum(options.pads[axis]) - (taps - 1) * dilation - 1) // stride + 1
    if options.padding == "SAME":
        return -(-extent // stride)
    return (extent - (taps - 1) * dilation - 1) // stride + 1


def dilation_of(options: ConvOptions | PoolOptions) -> tuple[int, int]:
    return options.dilation if isinstance(options, ConvOptions) else (1, 1)


def pads_of(options: ConvOptions | PoolOptions, extents: Sequence[int], taps: Sequence[int]) -> Pads:
    """What is added to height and to width. Where the file says SAME, half goes in front, the odd one behind."""
    if options.pads is not None:
        return options.pads

    def pads(axis: int) -> tuple[int, int]:
        out = out_extent(options, axis, extents[axis], taps[axis])
        reach = (out - 1) * options.stride[axis] + (taps[axis] - 1) * dilation_of(options)[axis] + 1
        added = max(reach - extents[axis], 0)
        return added // 2, added - added // 2

    return pads(0), pads(1)


def window(view: OperatorView, taps: tuple[int, int]) -> dict[str, int]:
    """Fields of tinyops_window."""
    options, source, output = view.options, view.tensor(0).shape, view.output.shape
    before = [first for first, _ in pads_of(options, source[1:3], taps)]
    return {
        **dict(zip(("in_h", "in_w", "in_c"), source[1:], strict=True)),
        **dict(zip(("out_h", "out_w", "out_c"), output[1:], strict=True)),
        **dict(zip(("kernel_h", "kernel_w"), taps, strict=True)),
        **dict(zip(("stride_h", "stride_w"), options.stride, strict=True)),
        **dict(zip(("dilation_h", "dilation_w"), dilation_of(options), strict=True)),
        **dict(zip(("pad_top", "pad_left"), before, strict=True)),
    }


def window_params(view: OperatorView) -> dict[str, Any]:
    """What every kernel of a convolution is told: geometry, zero points, limits of the output."""
    source, weights, output = view.tensor(0), view.tensor(1), view.output
    low, high = activation_range(view.options.activation, output)
    return {
        "window": window(view, (weights.shape[1], weights.shape[2])),
        "input_zero_point": source.zero_point,
        "output_zero_point": output.zero_point,
        "min": low,
        "max": high,
    }


WINDOW_HEADER = "tinyops/kernels/window.h"
DOT_HEADER = "tinyops/kernels/dot.h"
