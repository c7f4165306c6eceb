"""MEAN, SUM, REDUCE_MAX and REDUCE_MIN over dimensions that form at most two groups of neighbours."""

from __future__ import annotations

import math
from functools import partial
from itertools import groupby

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import quantise_multiplier
from tinyops.compiler.lowered import Call, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.weighted import LARGEST_FACTOR
from tinyops.compiler.view import OperatorView

HEADERS = ("tinyops/kernels/reduce.h", "tinyops/kernels/reduce_loop.h")
SUM_KERNEL = Kernel("kernels/mean.c", HEADERS)
EXTREME_KERNEL = Kernel("kernels/reduce_extremes.c", HEADERS)
MOST_VALUES = 1 << 23  # whose sum, zero point taken off, stays within 32 bits


def _axes(view: OperatorView) -> set[int]:
    rank = len(view.tensor(0).shape)
    return {axis + rank if axis < 0 else axis for axis in c.integers_of(view.tensor(1))}


def _outside(view: OperatorView) -> str | None:
    rank = len(view.tensor(0).shape)
    good = all(0 <= axis < rank for axis in _axes(view))
    return None if good else f"dimensions {c.integers_of(view.tensor(1))} of {rank}"


def count_of(view: OperatorView) -> int:
    return math.prod(view.tensor(0).shape[i] for i in _axes(view))


def _too_many(view: OperatorView) -> str | None:
    return None if count_of(view) <= MOST_VALUES else f"{count_of(view):,}"


def _groups(view: OperatorView) -> list[tuple[bool, int]]:
    """The input's extents as (whether reduced, product of neighbours of a kind), those of 1 left out."""
    axes, shape = _axes(view), view.tensor(0).shape
    extents = [(i in axes, extent) for i, extent in enumerate(shape) if extent > 1]
    return [(kind, math.prod(e for _, e in same)) for kind, same in groupby(extents, key=lambda pair: pair[0])]


def _too_scattered(view: OperatorView) -> str | None:
    count = sum(reduced for reduced, _ in _groups(view))
    return None if count <= 2 else f"{count} groups"


def _layout(view: OperatorView) -> dict[str, int]:
    """Fields of tinyops_reduction: the input seen as (outer, rows, middle, columns, inner)."""
    names = ["outer", "rows", "middle", "columns", "inner"]
    fields = dict.fromkeys(names, 1)
    groups = _groups(view)
    at = 0 if groups and not groups[0][0] else 1
    if sum(reduced for reduced, _ in groups) == 1:  # the later place is the faster one
        at += 2
    for _, extent in groups:
        fields[names[at]] = extent
        at += 1
    if fields["rows"] == 1:  # nothing is reduced outside
        fields["outer"], fields["middle"] = fields["outer"] * fields["middle"], 1
    return fields


def _expected(view: OperatorView) -> tuple[int, ...] | None:
    axes, shape = _axes(view), view.tensor(0).shape
    if view.options.keep_dims:
        return tuple(1 if i in axes else extent for i, extent in enumerate(shape))
    return tuple(extent for i, extent in enumerate(shape) if i not in axes)


def too_large(view: OperatorView) -> str | None:
    factor = view.tensor(0).scale / view.output.scale
    return None if factor < LARGEST_FACTOR else f"a factor of {factor:g}"


def sum_params(view: OperatorView, mean: bool) -> dict[str, Field]:
    """Fields of tinyops_mean_params."""
    source, output, count = view.tensor(0), view.output, count_of(view)
    factor = quantise_multiplier(source.scale / output.scale)
    # As the interpreter: as much of 1/count as 31 bits hold goes into the multiplier.
    shift = min(count.bit_length() - 1, 32, 31 + factor.shift) if mean else 0
    return {
        "shape": _layout(view),
        "input_offset": -source.zero_point * count,
        "output_zero_point": output.zero_point,
        "multiplier": (factor.multiplier << shift) // (count if mean else 1),
        "shift": factor.shift - shift,
    }


def _lower_sum(mean: bool, view: OperatorView) -> Lowered:
    arguments = (Read(view.tensor(0).index), Write(view.output.index))
    call = Call("tinyops_mean", "tinyops_mean_params", sum_params(view, mean), arguments)
    return Lowered((call,), SUM_KERNEL)


def _lower_extreme(function: str, view: OperatorView) -> Lowered:
    arguments = (Read(view.tensor(0).index), Write(view.output.index))
    call = Call(function, "tinyops_reduce_extreme_params", {"shape": _layout(view)}, arguments)
    return Lowered((call,), EXTREME_KERNEL)


DIMENSIONS = (
    c.constant(1, "dimensions", ("int32",)),
    c.holds("the input has these dimensions", _outside),
    c.holds(
        "the dimensions form at most two groups of neighbours",
        _too_scattered,
        "transpose the input, or reduce in two steps",
    ),
    c.shape_is("input, dimensions and output agree", _expected),
)
_COMMON = (c.operands(2, 2), c.quantised(0, "input"), c.quantised(-1, "output"), *DIMENSIONS)
_SUMS = (
    c.holds(f"at most {MOST_VALUES:,} values are added up", _too_many),
    c.holds("scales differ by a factor below 2^30", too_large),
)

KINDS = (
    OperatorKind("MEAN", (*_COMMON, *_SUMS), partial(_lower_sum, True)),
    OperatorKind("SUM", (*_COMMON, *_SUMS), partial(_lower_sum, False)),
    OperatorKind("REDUCE_MAX", (*_COMMON, c.same_quantisation()), partial(_lower_extreme, "tinyops_reduce_max")),
    OperatorKind("REDUCE_MIN", (*_COMMON, c.same_quantisation()), partial(_lower_extreme, "tinyops_reduce_min")),
)
