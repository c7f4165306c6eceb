"""Operators of one int8 operand, each a table of 256 bytes: the interpreter's arithmetic, done here for every input."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from tinyops.compiler import constraints as c
from tinyops.compiler.constraints import Constraint
from tinyops.compiler.fixed_point import (
    Multiplier,
    float32,
    input_radius,
    inverse_square_root,
    logistic,
    multiply,
    quantise_multiplier,
    round_half_away,
    rounding_shift,
    tanh,
)
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.ops.hard_swish import hard_swish
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.tables import lookup
from tinyops.compiler.view import OperatorView

# What becomes of one int8 value, before it is clamped to int8.
Function = Callable[[int], int]
INTEGER_BITS = 4  # of the scaled input of LOGISTIC and TANH
LARGEST_RATIO = 2.0**20  # of scales, at which no value leaves 32 bits
RSQRT_BITS = 20  # that a reciprocal root keeps until it is scaled


def clamp_int8(value: int) -> int:
    return min(max(value, -128), 127)


# -- functions -----------------------------------------------------------------------------------


def _sigmoid(view: OperatorView, of_scaled: Callable[[int, int], int], bits: int, offset: int) -> Function:
    """LOGISTIC and TANH: a function of the input as Q4.27, with `bits` of its fraction kept."""
    source = view.tensor(0)
    factor = quantise_multiplier(source.scale * (1 << (31 - INTEGER_BITS)))
    radius = input_radius(INTEGER_BITS, factor.shift)

    def function(value: int) -> int:
        centred = value - source.zero_point
        if abs(centred) >= radius:
            return 127 if centred > 0 else -128
        return rounding_shift(of_scaled(multiply(centred, factor), INTEGER_BITS), 31 - bits) + offset

    return function


def _logistic(view: OperatorView) -> Function:
    return _sigmoid(view, logistic, 8, -128)


def _tanh(view: OperatorView) -> Function:
    return _sigmoid(view, tanh, 7, 0)


def _rescaled(view: OperatorView) -> tuple[int, int, Multiplier]:
    """Both zero points, and the factor between the scales as the interpreter's float32 quotient."""
    source, output = view.tensor(0), view.output
    return source.zero_point, output.zero_point, quantise_multiplier(float32(source.scale / output.scale))


def _relu(view: OperatorView) -> Function:
    zero, offset, factor = _rescaled(view)
    return lambda value: max(multiply(value - zero, factor) + offset, offset)


def _relu6(view: OperatorView) -> Function:
    source = view.tensor(0)
    six = clamp_int8(round_half_away(min(float32(6 / source.scale), 1e6)) + source.zero_point)
    return lambda value: min(max(value, source.zero_point), six)


def _leaky_relu(view: OperatorView) -> Function:
    zero, offset, factor = _rescaled(view)
    alpha = view.options.alpha
    slope = quantise_multiplier(float32(float32(view.tensor(0).scale * abs(alpha)) / view.output.scale))
    sign = -1 if alpha < 0 else 1

    def function(value: int) -> int:
        centred = value - zero
        return offset + (multiply(centred, factor) if centred >= 0 else sign * multiply(centred, slope))

    return function


def _abs(view: OperatorView) -> Function:
    zero, offset, factor = _rescaled(view)
    return lambda value: multiply(abs(value - zero), factor) + offset


def _elu(view: OperatorView) -> Function:
    source, output = view.tensor(0), view.output
    inverse = float32(1 / output.scale)

    def function(value: int) -> int:
        real = float32(source.scale * (value - source.zero_point))
        result = float32(float32(math.exp(real)) - 1) if real < 0 else real
        return round_half_away(float32(result * inverse)) + output.zero_point

    return function


def _rsqrt(view: OperatorView) -> Function:
    source, output = view.tensor(0), view.output
    root = float32(math.sqrt(source.scale))
    factor = quantise_multiplier(1 / float32(root * output.scale))
    final = Multiplier(factor.multiplier, factor.shift - RSQRT_BITS)

    def function(value: int) -> int:
        centred = value - source.zero_point
        if centred == 0:
            return 127
        inverse = inverse_square_root(centred)
        kept = multiply(1, Multiplier(inverse.multiplier, inverse.shift + RSQRT_BITS))
        return multiply(kept, final) + output.zero_point

    return function


# -- limits --------------------------------------------------------------------------------------


def _scale_between(low: int, high: int) -> Constraint:
    """Limits of the input's scale, as exponents of two."""

    def check(view: OperatorView) -> str | None:
        scale = view.tensor(0).scale
        return None if 2.0**low < scale < 2.0**high else f"{scale:g}"

    return c.holds(f"the input's scale lies between 2^{low} and {2**high}", check)


def _output_is(scale: float, zero_point: int, said: str) -> Constraint:
    def check(view: OperatorView) -> str | None:
        output = view.output
        good = output.scale == scale and output.zero_point == zero_point
        return None if good else f"scale {output.scale:g}, zero point {output.zero_point}"

    return c.holds(f"the output has scale {said} and zero point {zero_point}", check)


def _bad_alpha(view: OperatorView) -> str | None:
    alpha = view.options.alpha
    fits = abs(alpha) * view.tensor(0).scale < LARGEST_RATIO * view.output.scale  # not for NaN
    return None if fits else f"alpha is {alpha:g}"


def _ratio_too_large(view: OperatorView) -> str | None:
    ratio = view.tensor(0).scale / view.output.scale
    return None if ratio < LARGEST_RATIO else f"{ratio:g} times"


def _below_zero_point(view: OperatorView) -> str | None:
    zero_point = view.tensor(0).zero_point
    return None if zero_point == -128 else f"zero point {zero_point}"


def _shift_out_of_range(view: OperatorView) -> str | None:
    factor = quantise_multiplier(1 / float32(float32(math.sqrt(view.tensor(0).scale)) * view.output.scale))
    return None if -11 <= factor.shift <= 20 else f"scales {view.tensor(0).scale:g} and {view.output.scale:g}"


def _swish_factors(view: OperatorView) -> str | None:
    ratio = view.tensor(0).scale / view.output.scale
    return None if 2.0**-7 < ratio < 127 else f"{ratio:g} times"


def _lower(function_of: Callable[[OperatorView], Function], note: str, view: OperatorView) -> Lowered:
    function = function_of(view)
    return lookup(view, lambda value: clamp_int8(function(value)), note)


_ONE_OPERAND = (
    c.operands(1, 1),
    c.quantised(0, "input"),
    c.quantised(-1, "output"),
    c.shape_is("input and output have the same shape", lambda view: view.tensor(0).shape),
    c.moderate_scales(),
    c.holds("the input's scale is below 2^20 times the output's", _ratio_too_large),
)


def _kind(name: str, function_of: Callable[[OperatorView], Function], note: str, *limits: Constraint) -> OperatorKind:
    return OperatorKind(name, (*_ONE_OPERAND, *limits), partial(_lower, function_of, note))


KINDS = (
    _kind("LOGISTIC", _logistic, "1 / (1 + exp(-x))", c.probabilities(), _scale_between(-27, 3)),
    _kind("TANH", _tanh, "tanh(x)", _output_is(1 / 128, 0, "1/128"), _scale_between(-27, 3)),
    _kind("RELU", _relu, "max(x, 0)"),
    _kind("RELU6", _relu6, "min(max(x, 0), 6)", c.same_quantisation()),
    _kind(
        "LEAKY_RELU",
        _leaky_relu,
        "x, or alpha x below 0",
        c.holds("alpha times the input's scale is below 2^20 times the output's", _bad_alpha),
    ),
    _kind("ELU", _elu, "x, or exp(x) - 1 below 0"),
    _kind("ABS", _abs, "|x|"),
    _kind(
        "HARD_SWISH",
        hard_swish,
        "x min(max(x + 3, 0), 6) / 6",
        _scale_between(-20, 7),
        c.holds("the input's scale is above 1/128 of the output's and below 127 times it", _swish_factors),
    ),
    _kind(
        "RSQRT",
        _rsqrt,
        "1 / sqrt(x)",
        c.holds("the input's zero point is -128: no root of a negative number", _below_zero_point),
        c.holds(
            "1 / sqrt of the input's scale lies between 2^-12 and 2^20 times the output's scale", _shift_out_of_range
        ),
    ),
)
