"""ARG_MAX and ARG_MIN along one dimension: int32 indices, the first one where several values are equal."""

from __future__ import annotations

import math
from functools import partial

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Call, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView

KERNEL = Kernel("kernels/arg_extremes.c", ("tinyops/kernels/arg_extremes.h",))


def _axis(view: OperatorView) -> int:
    axis, rank = c.integers_of(view.tensor(1))[0], len(view.tensor(0).shape)
    return axis + rank if axis < 0 else axis


def _bad_axis(view: OperatorView) -> str | None:
    given, rank = c.integers_of(view.tensor(1)), len(view.tensor(0).shape)
    return None if len(given) == 1 and 0 <= _axis(view) < rank else f"dimensions {given} of {rank}"


def _expected(view: OperatorView) -> tuple[int, ...]:
    axis, shape = _axis(view), view.tensor(0).shape
    return (*shape[:axis], *shape[axis + 1 :])


def _lower(function: str, view: OperatorView) -> Lowered:
    axis, shape = _axis(view), view.tensor(0).shape
    params = {"outer": math.prod(shape[:axis]), "count": shape[axis], "inner": math.prod(shape[axis + 1 :])}
    arguments = (Read(view.tensor(0).index), Write(view.output.index))
    return Lowered((Call(function, "tinyops_arg_extreme_params", params, arguments),), KERNEL)


_LIMITS = (
    c.operands(2, 2),
    c.quantised(0, "input"),
    c.typed(-1, "output", ("int32",)),
    c.constant(1, "dimensions", ("int32",)),
    c.holds("it goes along one dimension, which the input has", _bad_axis),
    c.shape_is("input, dimension and output agree", _expected),
)

KINDS = (
    OperatorKind("ARG_MAX", _LIMITS, partial(_lower, "tinyops_arg_max")),
    OperatorKind("ARG_MIN", _LIMITS, partial(_lower, "tinyops_arg_min")),
)
