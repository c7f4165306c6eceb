"""CONCATENATION along any dimension, and PACK along a new one: each input is copied to its part of the output."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Call, Lowered
from tinyops.compiler.ops import limits
from tinyops.compiler.ops.copying import Loop, copied, copy_call
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView

MOST_INPUTS = 10  # the interpreter concatenates no more
MOST_PACKED = 256  # the reader takes no more


def _axis(view: OperatorView) -> int:
    axis, rank = view.options.axis, len(view.output.shape)
    return int(axis + rank if axis < 0 else axis)


def _bad_axis(view: OperatorView) -> str | None:
    return None if 0 <= _axis(view) < len(view.output.shape) else f"dimension {view.options.axis}"


def _expected(view: OperatorView) -> tuple[int, ...] | None:
    axis, shapes = _axis(view), [t.shape for t in view.inputs]
    if any(len(s) != len(shapes[0]) or len(s) <= axis for s in shapes):
        return None
    rest = {(s[:axis], s[axis + 1 :]) for s in shapes}
    if len(rest) != 1:
        return None
    return (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])


def _not_alike(view: OperatorView) -> str | None:
    dtype = view.output.dtype
    wrong = next((t for t in view.inputs if t.dtype != dtype), None)
    return f"{wrong} is {wrong.dtype}, {view.output} is {dtype}" if wrong else None


def _centred(view: OperatorView) -> str | None:
    """The interpreter refuses other int16 tensors."""
    tensors = [t for t in (*view.inputs, view.output) if t.dtype == "int16" and t.quantisation]
    wrong = next((t for t in tensors if t.zero_point), None)
    return f"{wrong} has zero point {wrong.zero_point}" if wrong else None


def _packed(view: OperatorView) -> tuple[int, ...] | None:
    axis, shapes = _axis(view), {t.shape for t in view.inputs}
    if len(shapes) != 1 or view.options.count != len(view.inputs):
        return None
    (shape,) = shapes
    return (*shape[:axis], len(view.inputs), *shape[axis:])


def _activation(view: OperatorView) -> str | None:
    found = view.options.activation
    return None if found == "NONE" else str(found)


def _parts(view: OperatorView) -> Iterator[Call]:
    """Rows of each input side by side in rows of the output."""
    rows, start = math.prod(view.output.shape[: _axis(view)]), 0
    row = view.output.elements // rows
    for tensor in view.inputs:
        width = tensor.elements // rows
        yield copy_call(tensor, view.output, (Loop(rows, width, row), Loop(width, 1, 1)), write=start)
        start += width


def lower(view: OperatorView) -> Lowered:
    return copied(_parts(view))


KINDS = (
    OperatorKind(
        "CONCATENATION",
        (
            c.operands(1, MOST_INPUTS),
            limits.all_there(),
            limits.moved(limits.PLAIN),
            c.holds("all inputs are of one type", _not_alike),
            c.holds("int16 tensors have zero point 0", _centred),
            c.holds("no fused activation", _activation),
            c.holds("the dimension exists", _bad_axis),
            c.shape_is("inputs agree in all other dimensions", _expected),
            c.same_quantisation(),
        ),
        lower,
    ),
    OperatorKind(
        "PACK",
        (
            c.operands(1, MOST_PACKED),
            limits.all_there(),
            limits.moved(limits.PLAIN),
            c.holds("all inputs are of one type", _not_alike),
            c.holds("the dimension exists", _bad_axis),
            c.shape_is("inputs have the same shape, the output one dimension more", _packed),
            c.same_quantisation(),
        ),
        lower,
    ),
)
