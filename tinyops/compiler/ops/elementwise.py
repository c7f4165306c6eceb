"""ADD, SUB and SQUARED_DIFFERENCE: both operands are brought to a common scale first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import Multiplier, float32, multiply, quantise_multiplier
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
from tinyops.compiler.ops.weighted import LARGEST_FACTOR
from tinyops.compiler.view import OperatorView

PACKED_HEADERS = ("tinyops/kernels/add_packed.h", "tinyops/kernels/sum_packed.h", BROADCAST_HEADER, PACKED_HEADER)
# Bits to spare on the common scale: TINYOPS_ADD_LEFT_SHIFT and TINYOPS_DIFFERENCE_LEFT_SHIFT in elementwise.h.
ADD_LEFT_SHIFT, DIFFERENCE_LEFT_SHIFT = 20, 7
HALF = quantise_multiplier(0.5)

# Factors of both operands to the common scale, and from there to the output's.
Factors = tuple[Multiplier, Multiplier, Multiplier]
# A value of each operand, on the common scale.
OnScale = Callable[[int, int], int]


def _add_factors(view: OperatorView) -> Factors:
    a, b, out = view.tensor(0).scale, view.tensor(1).scale, view.output.scale
    common = 2 * max(a, b)
    real = (a / common, b / common, common / ((1 << ADD_LEFT_SHIFT) * out))
    return quantise_multiplier(real[0]), quantise_multiplier(real[1]), quantise_multiplier(real[2])


def _sub_factors(view: OperatorView) -> Factors:
    """As those of ADD, but the interpreter rounds each quotient to float32 here."""
    a, b, out = view.tensor(0).scale, view.tensor(1).scale, view.output.scale
    common = 2 * max(a, b)
    real = (a / common, b / common, common / ((1 << ADD_LEFT_SHIFT) * out))
    first, second, last = (quantise_multiplier(float32(r)) for r in real)
    return first, second, last


def _difference_factors(view: OperatorView) -> Factors:
    a, b, out = view.tensor(0).scale, view.tensor(1).scale, view.output.scale
    common = 2 * max(a, b)
    last = common * common / ((1 << 2 * DIFFERENCE_LEFT_SHIFT) * out)
    return quantise_multiplier(a / common), quantise_multiplier(b / common), quantise_multiplier(last)


def _function(view: OperatorView, factors: Factors, left: int, of_both: OnScale) -> Callable[[int, int], int]:
    """The output's value for a value of each operand."""
    a, b, out = factors
    zeros = (view.tensor(0).zero_point, view.tensor(1).zero_point)
    fields = output_fields(view)

    def function(x: int, y: int) -> int:
        first = multiply((x - zeros[0]) << left, a)
        second = multiply((y - zeros[1]) << left, b)
        value = multiply(of_both(first, second), out) + fields["output_zero_point"]
        return min(max(value, fields["min"]), fields["max"])

    return function


def _plain(view: OperatorView, name: str, factors: Factors) -> Lowered:
    a, b, out = factors
    params: dict[str, Field] = {
        **offsets(view),
        "a_multiplier": a.multiplier,
        "a_shift": a.shift,
        "b_multiplier": b.multiplier,
        "b_shift": b.shift,
        "output_multiplier": out.multiplier,
        "output_shift": out.shift,
        **output_fields(view),
    }
    return pairwise(view, name, params, Kernel(f"kernels/{name}.c", ELEMENTWISE_HEADERS), "common_scale")


def _packed(name: str, factors_of: Callable[[OperatorView], Factors], view: OperatorView) -> Lowered | None:
    """With the kernel for the cores that have one, where it can serve."""
    factors = factors_of(view)
    exact = next((i for i in (0, 1) if factors[i] == HALF), None)
    if view.cpu not in DSP_CPUS | V6M_CPUS or exact is None:
        return None
    other, out = factors[1 - exact], factors[2]
    # A factor of a half has no right shift: once more to the left, then to the right, is the same.
    extra = 1 if other == HALF else 0
    left, shift = ADD_LEFT_SHIFT + 1 + extra, extra - other.shift
    if not all(1 <= right <= MOST_RIGHT for right in (shift, -out.shift)):
        return None
    params: dict[str, Field] = {
        "exact_offset": -view.tensor(exact).zero_point,
        "other": {
            "offset": -view.tensor(1 - exact).zero_point << left,
            "left": left,
            "multiplier": other.multiplier,
            "shift": shift,
        },
        "negate": exact if name == "sub" else 0,
        "output_multiplier": out.multiplier,
        "output_shift": -out.shift,
        **output_fields(view),
    }
    kernel = Kernel(f"kernels/{name}_packed.c", PACKED_HEADERS)
    return pairwise(view, f"{name}_packed", params, kernel, "add_packed", (exact, 1 - exact))


def _lower(
    name: str, note: str, factors_of: Callable[[OperatorView], Factors], of_both: OnScale, view: OperatorView
) -> Lowered:
    factors = factors_of(view)
    table = with_one_constant(view, _function(view, factors, ADD_LEFT_SHIFT, of_both), note)
    return table or _plain(view, name, factors)


def lower_squared_difference(view: OperatorView) -> Lowered:
    factors = _difference_factors(view)
    function = _function(view, factors, DIFFERENCE_LEFT_SHIFT, lambda x, y: (x - y) ** 2)
    return with_one_constant(view, function, "(x - y)^2") or _plain(view, "squared_difference", factors)


def _add_too_large(view: OperatorView) -> str | None:
    ratio = max(view.tensor(0).scale, view.tensor(1).scale) / view.output.scale
    return None if ratio < 1 << (ADD_LEFT_SHIFT - 1) else f"{ratio:g} times"


def _difference_too_large(view: OperatorView) -> str | None:
    common = 2 * max(view.tensor(0).scale, view.tensor(1).scale)
    factor = common * common / ((1 << 2 * DIFFERENCE_LEFT_SHIFT) * view.output.scale)
    return None if factor < LARGEST_FACTOR else f"a factor of {factor:g}"


lower_add = partial(_lower, "add", "x + y", _add_factors, lambda x, y: x + y)
lower_sub = partial(_lower, "sub", "x - y", _sub_factors, lambda x, y: x - y)
_SUM_LIMITS = (c.activation(), c.holds("an input's scale is below 2^19 times the output's", _add_too_large))

KINDS = (
    OperatorKind("ADD", (*TWO_OPERANDS, *_SUM_LIMITS), lower_add, (partial(_packed, "add", _add_factors),)),
    OperatorKind(
        "SUB",
        (*TWO_OPERANDS, *_SUM_LIMITS, c.moderate_scales()),
        lower_sub,
        (partial(_packed, "sub", _sub_factors),),
    ),
    OperatorKind(
        "SQUARED_DIFFERENCE",
        (
            *TWO_OPERANDS,
            c.moderate_scales(),
            c.holds("scales differ by a factor below 2^30", _difference_too_large),
        ),
        lower_squared_difference,
    ),
)
