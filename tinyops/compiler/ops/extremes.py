"""MINIMUM and MAXIMUM of two operands, which share the output's scale."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Kernel, Lowered
from tinyops.compiler.ops.broadcast import ELEMENTWISE_HEADERS, TWO_OPERANDS, pairwise, with_one_constant
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView

KERNEL = Kernel("kernels/extremes.c", ELEMENTWISE_HEADERS)


def _lower(name: str, function: Callable[[int, int], int], view: OperatorView) -> Lowered:
    table = with_one_constant(view, function, f"{name}(x, y)")
    return table or pairwise(view, name, {}, KERNEL, "extreme")


def _kind(name: str, function: Callable[[int, int], int]) -> OperatorKind:
    return OperatorKind(name, (*TWO_OPERANDS, c.same_quantisation()), partial(_lower, name.lower(), function))


KINDS = (_kind("MINIMUM", min), _kind("MAXIMUM", max))
