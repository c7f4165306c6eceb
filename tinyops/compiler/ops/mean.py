"""MEAN over neighbouring dimensions, such as height and width."""

from __future__ import annotations

import math

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import quantise_multiplier
from tinyops.compiler.lowered import Call, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.weighted import LARGEST_FACTOR
from tinyops.compiler.view import OperatorView

KERNEL = Kernel("kernels/mean.c", ("tinyops/kernels/mean.h",))
MOST_VALUES = 1 << 23  # whose sum, zero point taken off, stays within 32 bits


def _axes(view: OperatorView) -> list[int]:
    rank = len(view.tensor(0).shape)
    return sorted({axis + rank if axis < 0 else axis for axis in c.integers_of(view.tensor(1))})


def _not_neighbours(view: OperatorView) -> str | None:
    axes, rank = _axes(view), len(view.tensor(0).shape)
    good = axes and axes[0] >= 0 and axes[-1] < rank and axes == list(range(axes[0], axes[-1] + 1))
    return None if good else f"dimensions {c.integers_of(view.tensor(1))} of {rank}"


def _count(view: OperatorView) -> int:
    return math.prod(view.tensor(0).shape[i] for i in _axes(view))


def _too_many(view: OperatorView) -> str | None:
    return None if _count(view) <= MOST_VALUES else f"{_count(view):,}"


def _expected(view: OperatorView) -> tuple[int, ...] | None:
    axes, shape = _axes(view), view.tensor(0).shape
    if view.options.keep_dims:
        return tuple(1 if i in axes else extent for i, extent in enumerate(shape))
    return tuple(extent for i, extent in enumerate(shape) if i not in axes)


def _too_large(view: OperatorView) -> str | None:
    factor = view.tensor(0).scale / view.output.scale
    return None if factor < LARGEST_FACTOR else f"a factor of {factor:g}"


def lower(view: OperatorView) -> Lowered:
    source, output, axes, count = view.tensor(0), view.output, _axes(view), _count(view)
    factor = quantise_multiplier(source.scale / output.scale)
    # As the interpreter: as much of 1/count as 31 bits hold goes into the multiplier.
    shift = min(count.bit_length() - 1, 32, 31 + factor.shift)
    params = {
        "outer": math.prod(source.shape[: axes[0]]),
        "reduced": count,
        "inner": math.prod(source.shape[axes[-1] + 1 :]),
        "input_offset": -source.zero_point * count,
        "output_zero_point": output.zero_point,
        "multiplier": (factor.multiplier << shift) // count,
        "shift": factor.shift - shift,
    }
    call = Call("tinyops_mean", "tinyops_mean_params", params, (Read(source.index), Write(output.index)))
    return Lowered((call,), KERNEL)


KINDS = (
    OperatorKind(
        "MEAN",
        (
            c.operands(2, 2),
            c.quantised(0, "input"),
            c.quantised(-1, "output"),
            c.constant(1, "dimensions", ("int32",)),
            c.holds("the dimensions are neighbours", _not_neighbours, "transpose the input, or split the mean in two"),
            c.holds(f"at most {MOST_VALUES:,} values are averaged", _too_many),
            c.shape_is("input, dimensions and output agree", _expected),
            c.holds("scales differ by a factor below 2^30", _too_large),
        ),
        lower,
    ),
)
