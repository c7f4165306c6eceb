"""Pools, means, sums and products of int16 activations: as those of int8, without zero points."""

from __future__ import annotations

from functools import partial

from tinyops.compiler import constraints as c
from tinyops.compiler.constraints import Constraint
from tinyops.compiler.fixed_point import Multiplier, float32, quantise_multiplier
from tinyops.compiler.lowered import Call, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops import pool_2d, reduce
from tinyops.compiler.ops.broadcast import BROADCAST_HEADER, broadcast_shape, pairwise
from tinyops.compiler.ops.int16 import activation_range_int16, wide
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.weighted import LARGEST_FACTOR, window
from tinyops.compiler.view import OperatorView

POOL_KERNEL = Kernel("kernels/pool_2d_int16.c", ("tinyops/kernels/pool_2d_int16.h", *pool_2d.WINDOWS_HEADERS))
MEAN_KERNEL = Kernel("kernels/mean_int16.c", ("tinyops/kernels/reduce_int16.h", "tinyops/kernels/reduce.h"))
ELEMENTWISE_HEADERS = ("tinyops/kernels/elementwise_int16.h", BROADCAST_HEADER)
MOST_VALUES = 1 << 15  # whose sum stays within 32 bits
LEFT_SHIFT = 15  # TINYOPS_SUM_INT16_LEFT_SHIFT

_BOTH = (wide(0, "input"), wide(-1, "output"))


def _limits_of(view: OperatorView) -> dict[str, int]:
    low, high = activation_range_int16(getattr(view.options, "activation", "NONE"), view.output)
    return {"min": low, "max": high}


# -- pools ---------------------------------------------------------------------------------------


def _pool(function: str, view: OperatorView) -> Lowered:
    params: dict[str, Field] = {"window": window(view, view.options.window), **_limits_of(view)}
    arguments = (Read(view.tensor(0).index), Write(view.output.index))
    return Lowered((Call(function, "tinyops_pool_2d_params", params, arguments),), POOL_KERNEL)


def _pool_kind(name: str, function: str) -> OperatorKind:
    limits = (
        *(c.operands(1, 1), *_BOTH, c.ranks(4, 4), c.one_image()),
        *(pool_2d.SHAPES, c.same_quantisation(), c.activation()),
        c.holds("a window has at most 32,768 values", _too_wide),
    )
    return OperatorKind(name, limits, partial(_pool, function))


def _too_wide(view: OperatorView) -> str | None:
    height, width = view.options.window
    return None if height * width <= MOST_VALUES else f"{height * width:,}"


# -- means ---------------------------------------------------------------------------------------


def _mean(mean: bool, view: OperatorView) -> Lowered:
    source, output = view.tensor(0), view.output
    params = reduce.sum_params(view, mean)
    kept: dict[str, Field] = {name: params[name] for name in ("shape", "multiplier", "shift")}
    call = Call("tinyops_mean_int16", "tinyops_mean_int16_params", kept, (Read(source.index), Write(output.index)))
    return Lowered((call,), MEAN_KERNEL)


def _too_many(view: OperatorView) -> str | None:
    count = reduce.count_of(view)
    return None if count <= MOST_VALUES else f"{count:,}"


_MEAN_LIMITS = (
    *(c.operands(2, 2), *_BOTH, *reduce.DIMENSIONS),
    c.holds(f"at most {MOST_VALUES:,} values are added up", _too_many),
    c.holds("scales differ by a factor below 2^30", reduce.too_large),
)


# -- sums and products ---------------------------------------------------------------------------


def _sum_factors(view: OperatorView, negate: bool) -> tuple[Multiplier, Multiplier, Multiplier]:
    """To the common scale, and from there; of differences the interpreter rounds the quotients to float32."""
    a, b, out = view.tensor(0).scale, view.tensor(1).scale, view.output.scale
    common = 2 * max(a, b)
    real = (a / common, b / common, common / ((1 << LEFT_SHIFT) * out))
    first, second, last = (quantise_multiplier(float32(r) if negate else r) for r in real)
    return first, second, last


def _sum(negate: bool, view: OperatorView) -> Lowered:
    a, b, out = _sum_factors(view, negate)
    params: dict[str, Field] = {
        "a_multiplier": a.multiplier,
        "a_shift": a.shift,
        "b_multiplier": b.multiplier,
        "b_shift": b.shift,
        "negate": int(negate),
        "output_multiplier": out.multiplier,
        "output_shift": out.shift,
        **_limits_of(view),
    }
    return pairwise(view, "sum_int16", params, Kernel("kernels/sum_int16.c", ELEMENTWISE_HEADERS))


def _product_factor(view: OperatorView) -> float:
    return view.tensor(0).scale * view.tensor(1).scale / view.output.scale


def _product(view: OperatorView) -> Lowered:
    factor = quantise_multiplier(_product_factor(view))
    params: dict[str, Field] = {
        "output_multiplier": factor.multiplier,
        "output_shift": factor.shift,
        **_limits_of(view),
    }
    return pairwise(view, "mul_int16", params, Kernel("kernels/mul_int16.c", ELEMENTWISE_HEADERS))


def _sum_too_large(view: OperatorView) -> str | None:
    ratio = max(view.tensor(0).scale, view.tensor(1).scale) / view.output.scale
    return None if ratio < 1 << (LEFT_SHIFT - 1) else f"{ratio:g} times"


def _product_too_large(view: OperatorView) -> str | None:
    factor = _product_factor(view)
    return None if factor < LARGEST_FACTOR else f"a factor of {factor:g}"


def _pair_kind(name: str, lower: partial[Lowered], limit: Constraint) -> OperatorKind:
    shapes = c.shape_is("shapes agree or broadcast, up to 4 dimensions", broadcast_shape)
    limits = (
        *(c.operands(2, 2), wide(0, "first input"), wide(1, "second input"), wide(-1, "output"), shapes),
        *(c.activation(), c.moderate_scales(), limit),
    )
    return OperatorKind(name, limits, lower)


_SUMS = c.holds("an input's scale is below 2^14 times the output's", _sum_too_large)

KINDS = (
    _pool_kind("AVERAGE_POOL_2D", "tinyops_average_pool_2d_int16"),
    _pool_kind("MAX_POOL_2D", "tinyops_max_pool_2d_int16"),
    OperatorKind("MEAN", _MEAN_LIMITS, partial(_mean, True)),
    OperatorKind("SUM", _MEAN_LIMITS, partial(_mean, False)),
    _pair_kind("ADD", partial(_sum, False), _SUMS),
    _pair_kind("SUB", partial(_sum, True), _SUMS),
    _pair_kind("MUL", partial(_product), c.holds("scales differ by a factor below 2^30", _product_too_large)),
)
