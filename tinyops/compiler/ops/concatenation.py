"""CONCATENATION along any dimension: each input is copied to its columns of the output."""

from __future__ import annotations

import math

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Call, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView

COPY_KERNEL = Kernel("kernels/copy.c", ("tinyops/kernels/movement.h",))
MOST_INPUTS = 10  # the interpreter takes no more


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


def _activation(view: OperatorView) -> str | None:
    found = view.options.activation
    return None if found == "NONE" else str(found)


def lower(view: OperatorView) -> Lowered:
    axis, output = _axis(view), view.output
    stride = math.prod(output.shape[axis:])
    calls, offset = [], 0
    for tensor in view.inputs:
        width = math.prod(tensor.shape[axis:])
        params = {"rows": math.prod(output.shape[:axis]), "bytes": width, "stride": stride, "offset": offset}
        calls.append(Call("tinyops_copy", "tinyops_copy_params", params, (Read(tensor.index), Write(output.index))))
        offset += width
    return Lowered(tuple(calls), COPY_KERNEL)


KINDS = (
    OperatorKind(
        "CONCATENATION",
        (
            c.operands(1, MOST_INPUTS),
            c.all_quantised(),
            c.quantised(-1, "output"),
            c.holds("no fused activation", _activation),
            c.holds("the dimension exists", _bad_axis),
            c.shape_is("inputs agree in all other dimensions", _expected),
            c.same_quantisation(),
        ),
        lower,
    ),
)
