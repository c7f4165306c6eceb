"""MUL, PRELU and DIV: a product or a quotient of two operands is scaled."""

from __future__ import annotations

from collections.abc import Callable

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import (
    Multiplier,
    float32,
    high_mul,
    multiply,
    one_over_one_plus,
    quantise_multiplier,
    rounding_shift,
)
from tinyops.compiler.lowered import Field, Kernel, Lowered
from tinyops.compiler.ops.broadcast import (
    BROADCAST_HEADER,
    ELEMENTWISE_HEADERS,
    TWO_OPERANDS,
    offsets,
    output_fields,
    pairwise,
    with_one_constant,
)
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.lanes import V6M_CPUS
from tinyops.compiler.ops.packed import DSP_CPUS, MOST_RIGHT, PACKED_HEADER
from tinyops.compiler.ops.softmax import EXPONENTIAL_HEADER
from tinyops.compiler.ops.weighted import LARGEST_FACTOR
from tinyops.compiler.view import OperatorView

MUL_PACKED = Kernel("kernels/mul_packed.c", ("tinyops/kernels/mul_packed.h", BROADCAST_HEADER, PACKED_HEADER))


def _kernel(name: str) -> Kernel:
    return Kernel(f"kernels/{name}.c", ELEMENTWISE_HEADERS)


def _clamped(view: OperatorView, function: Callable[[int, int], int]) -> Callable[[int, int], int]:
    """From values of both operands to the output's, given the function of values without their zero points."""
    a, b = view.tensor(0).zero_point, view.tensor(1).zero_point
    f = output_fields(view)
    return lambda x, y: min(max(function(x - a, y - b) + f["output_zero_point"], f["min"]), f["max"])


# -- MUL -----------------------------------------------------------------------------------------


def _mul_factor(view: OperatorView) -> float:
    return view.tensor(0).scale * view.tensor(1).scale / view.output.scale


def _mul_too_large(view: OperatorView) -> str | None:
    return None if _mul_factor(view) < LARGEST_FACTOR else f"a factor of {_mul_factor(view):g}"


def lower_mul(view: OperatorView) -> Lowered:
    out = quantise_multiplier(_mul_factor(view))
    table = with_one_constant(view, _clamped(view, lambda x, y: multiply(x * y, out)), "x y")
    params: dict[str, Field] = {
        **offsets(view),
        "output_multiplier": out.multiplier,
        "output_shift": out.shift,
        **output_fields(view),
    }
    return table or pairwise(view, "mul", params, _kernel("mul"))


def _mul_packed(view: OperatorView) -> Lowered | None:
    """With the kernel for the cores that have one, where it can serve."""
    out = quantise_multiplier(_mul_factor(view))
    if view.cpu not in DSP_CPUS | V6M_CPUS or not 1 <= -out.shift <= MOST_RIGHT:
        return None
    params: dict[str, Field] = {
        **offsets(view),
        "output_multiplier": out.multiplier,
        "output_shift": -out.shift,
        **output_fields(view),
    }
    return pairwise(view, "mul_packed", params, MUL_PACKED)


# -- PRELU ---------------------------------------------------------------------------------------


def _prelu_factors(view: OperatorView) -> tuple[float, float]:
    source, slope, output = view.tensor(0).scale, view.tensor(1).scale, view.output.scale
    return source / output, source * slope / output


def _prelu_too_large(view: OperatorView) -> str | None:
    largest = max(_prelu_factors(view))
    return None if largest < LARGEST_FACTOR else f"a factor of {largest:g}"


def lower_prelu(view: OperatorView) -> Lowered:
    positive, negative = map(quantise_multiplier, _prelu_factors(view))

    def function(x: int, slope: int) -> int:
        return multiply(x, positive) if x >= 0 else multiply(x * slope, negative)

    params: dict[str, Field] = {
        **offsets(view),
        "positive_multiplier": positive.multiplier,
        "positive_shift": positive.shift,
        "negative_multiplier": negative.multiplier,
        "negative_shift": negative.shift,
        "output_zero_point": view.output.zero_point,
    }
    table = with_one_constant(view, _clamped(view, function), "x, or slope x below 0")
    return table or pairwise(view, "prelu", params, _kernel("prelu"))


# -- DIV -----------------------------------------------------------------------------------------


def _div_factor(view: OperatorView) -> Multiplier:
    a, b, out = view.tensor(0).scale, view.tensor(1).scale, view.output.scale
    return quantise_multiplier(float32(a / float32(b * out)))


def _headroom(dividend: int) -> int:
    """How far a dividend can be shifted to the left within 32 bits; a negative power of two further than others."""
    return 31 - (dividend if dividend >= 0 else -dividend - 1).bit_length()


def _quotient_shift(dividend: int, divisor: int, factor: Multiplier) -> int:
    """To the right, after a quotient has been scaled; the divisor is positive."""
    return divisor.bit_length() - 1 + _headroom(dividend) - factor.shift


def _divisors(view: OperatorView) -> set[int]:
    divisor = view.tensor(1)
    return {abs(value - divisor.zero_point) for value in c.integers_of(divisor)}


def _zero_divisor(view: OperatorView) -> str | None:
    return f"{view.tensor(1)} has zeros" if 0 in _divisors(view) else None


def _div_out_of_range(view: OperatorView) -> str | None:
    """The interpreter's shift after the division must be one that C has."""
    factor, zero = _div_factor(view), view.tensor(0).zero_point
    largest = max(127 - zero, zero + 128)
    dividends = (-largest, -1, 1, largest)
    shifts = [_quotient_shift(x, y, factor) for x in dividends for y in _divisors(view)]
    good = min(shifts) >= 0 and max(shifts) <= 31
    return None if good else f"{min(shifts)} to {max(shifts)}"


def lower_div(view: OperatorView) -> Lowered:
    factor = _div_factor(view)

    def function(x: int, y: int) -> int:
        dividend = x if y > 0 else -x
        if dividend == 0:
            return 0
        inverse = one_over_one_plus((abs(y) << (32 - abs(y).bit_length())) - 2**31)
        quotient = high_mul(dividend << _headroom(dividend), inverse)
        return rounding_shift(high_mul(quotient, factor.multiplier), _quotient_shift(dividend, abs(y), factor))

    params: dict[str, Field] = {
        **offsets(view),
        "output_multiplier": factor.multiplier,
        "output_shift": factor.shift,
        **output_fields(view),
    }
    kernel = Kernel("kernels/div.c", (*ELEMENTWISE_HEADERS, EXPONENTIAL_HEADER))
    return with_one_constant(view, _clamped(view, function), "x / y") or pairwise(view, "div", params, kernel)


KINDS = (
    OperatorKind(
        "MUL",
        (*TWO_OPERANDS, c.activation(), c.holds("scales differ by a factor below 2^30", _mul_too_large)),
        lower_mul,
        (_mul_packed,),
    ),
    OperatorKind(
        "PRELU",
        (
            *TWO_OPERANDS,
            c.shape_is("the output has the input's shape", lambda view: view.tensor(0).shape),
            c.holds("scales differ by a factor below 2^30", _prelu_too_large),
        ),
        lower_prelu,
    ),
    OperatorKind(
        "DIV",
        (
            *TWO_OPERANDS,
            c.constant(1, "divisors", ("int8",)),
            c.activation(),
            c.moderate_scales(),
            c.holds("no divisor is zero", _zero_divisor),
            c.holds(
                "for every divisor, the interpreter's shift after the division lies between 0 and 31",
                _div_out_of_range,
                "choose another scale of the output, or multiply by the reciprocals",
            ),
        ),
        lower_div,
    ),
)
