"""ADD and MUL, with broadcasting over up to four dimensions; either operand may be a constant."""

from __future__ import annotations

import math

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import Multiplier, quantise_multiplier
from tinyops.compiler.lowered import Call, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.lanes import LANES_HEADERS, V6M_CPUS
from tinyops.compiler.ops.packed import DSP_CPUS, MOST_RIGHT
from tinyops.compiler.ops.weighted import LARGEST_FACTOR, activation_range
from tinyops.compiler.view import OperatorView

HEADERS = ("tinyops/kernels/elementwise.h",)
ADD_KERNEL = Kernel("kernels/add.c", HEADERS)
PACKED_ADD_KERNEL = Kernel("kernels/add_packed.c", ("tinyops/kernels/add_packed.h", *LANES_HEADERS))
MUL_KERNEL = Kernel("kernels/mul.c", HEADERS)
ADD_LEFT_SHIFT = 20  # TINYOPS_ADD_LEFT_SHIFT in add.c
HALF = quantise_multiplier(0.5)


def _four(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (4 - len(shape)) + shape


def _expected(view: OperatorView) -> tuple[int, ...] | None:
    a, b = view.tensor(0).shape, view.tensor(1).shape
    rank = max(len(a), len(b))
    if rank > 4:
        return None
    pairs = list(zip(_four(a), _four(b), strict=True))
    if any(x != y and 1 not in (x, y) for x, y in pairs):
        return None
    return tuple(max(x, y) for x, y in pairs)[4 - rank :]


def _steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    """How far an operand moves along each dimension of the output."""
    return tuple(0 if extent == 1 else math.prod(shape[i + 1 :]) for i, extent in enumerate(shape))


def _broadcast(view: OperatorView) -> dict[str, Field]:
    a, b, out = (_four(t.shape) for t in (view.tensor(0), view.tensor(1), view.output))
    if a == b:  # one loop is enough
        a = b = out = (1, 1, 1, math.prod(out))
    return {"extent": out, "a_step": _steps(a), "b_step": _steps(b)}


def _call(view: OperatorView, name: str, params: dict[str, Field], kernel: Kernel) -> Lowered:
    low, high = activation_range(view.options.activation, view.output)
    fields = {
        "shape": _broadcast(view),
        **params,
        "output_zero_point": view.output.zero_point,
        "min": low,
        "max": high,
    }
    arguments = (Read(view.tensor(0).index), Read(view.tensor(1).index), Write(view.output.index))
    return Lowered((Call(f"tinyops_{name}", f"tinyops_{name}_params", fields, arguments),), kernel)


def _add_factors(view: OperatorView) -> tuple[float, float, float]:
    a, b, out = view.tensor(0).scale, view.tensor(1).scale, view.output.scale
    common = 2 * max(a, b)
    return a / common, b / common, common / ((1 << ADD_LEFT_SHIFT) * out)


def _add_too_large(view: OperatorView) -> str | None:
    factor = _add_factors(view)[2]
    return None if factor < 1 else f"{factor * (1 << ADD_LEFT_SHIFT) / 2:g} times"


def lower_add(view: OperatorView) -> Lowered:
    a, b, out = map(quantise_multiplier, _add_factors(view))
    return _packed_add(view, a, b, out) or _plain_add(view, a, b, out)


def _packed_add(view: OperatorView, a: Multiplier, b: Multiplier, out: Multiplier) -> Lowered | None:
    """With the kernel for the cores that have one, where nothing is broadcast and it can serve."""
    if view.cpu not in DSP_CPUS | V6M_CPUS or view.tensor(0).shape != view.tensor(1).shape:
        return None
    operands = []
    for position, factor in enumerate((a, b)):
        # A factor of a half has no right shift: once more to the left, then to the right, is the same.
        extra = 1 if factor == HALF else 0
        operand = {
            "offset": -view.tensor(position).zero_point,
            "left": ADD_LEFT_SHIFT + 1 + extra,
            "multiplier": factor.multiplier,
            "shift": extra - factor.shift,
        }
        operands.append(operand)
    if not all(1 <= right <= MOST_RIGHT for right in (*(o["shift"] for o in operands), -out.shift)):
        return None
    low, high = activation_range(view.options.activation, view.output)
    params: dict[str, Field] = {
        "count": view.output.elements,
        "a": operands[0],
        "b": operands[1],
        "output_multiplier": out.multiplier,
        "output_shift": -out.shift,
        "output_zero_point": view.output.zero_point,
        "min": low,
        "max": high,
    }
    arguments = (Read(view.tensor(0).index), Read(view.tensor(1).index), Write(view.output.index))
    return Lowered((Call("tinyops_add_packed", "tinyops_add_packed_params", params, arguments),), PACKED_ADD_KERNEL)


def _plain_add(view: OperatorView, a: Multiplier, b: Multiplier, out: Multiplier) -> Lowered:
    params: dict[str, Field] = {
        "a_offset": -view.tensor(0).zero_point,
        "b_offset": -view.tensor(1).zero_point,
        "a_multiplier": a.multiplier,
        "a_shift": a.shift,
        "b_multiplier": b.multiplier,
        "b_shift": b.shift,
        "output_multiplier": out.multiplier,
        "output_shift": out.shift,
    }
    return _call(view, "add", params, ADD_KERNEL)


def _mul_factor(view: OperatorView) -> float:
    return view.tensor(0).scale * view.tensor(1).scale / view.output.scale


def _mul_too_large(view: OperatorView) -> str | None:
    return None if _mul_factor(view) < LARGEST_FACTOR else f"a factor of {_mul_factor(view):g}"


def lower_mul(view: OperatorView) -> Lowered:
    out = quantise_multiplier(_mul_factor(view))
    params: dict[str, Field] = {
        "a_offset": -view.tensor(0).zero_point,
        "b_offset": -view.tensor(1).zero_point,
        "output_multiplier": out.multiplier,
        "output_shift": out.shift,
    }
    return _call(view, "mul", params, MUL_KERNEL)


_COMMON = (
    c.operands(2, 2),
    c.all_quantised(),
    c.quantised(-1, "output"),
    c.shape_is("shapes agree or broadcast, up to 4 dimensions", _expected),
    c.activation(),
)

KINDS = (
    OperatorKind(
        "ADD",
        (*_COMMON, c.holds("an input's scale is below 2^19 times the output's", _add_too_large)),
        lower_add,
    ),
    OperatorKind("MUL", (*_COMMON, c.holds("scales differ by a factor below 2^30", _mul_too_large)), lower_mul),
)
