"""SPLIT, SPLIT_V and UNPACK: each output is a part of the input along one dimension."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Call, Lowered
from tinyops.compiler.ops import limits
from tinyops.compiler.ops.copying import Loop, copied, copy_call
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView
from tinyops.graph import PackOptions, Tensor

MOST_OUTPUTS = 256  # the reader takes no more
_SOURCE = {"SPLIT": 1, "SPLIT_V": 0, "UNPACK": 0}
_AXIS = {"SPLIT": 0, "SPLIT_V": 2}


def _source(view: OperatorView) -> Tensor:
    return view.tensor(_SOURCE[view.operator.name])


def _given_axis(view: OperatorView) -> int:
    options = view.options
    return (
        options.axis if isinstance(options, PackOptions) else c.integers_of(view.tensor(_AXIS[view.operator.name]))[0]
    )


def _axis(view: OperatorView) -> int:
    axis = _given_axis(view)
    return axis + len(_source(view).shape) if axis < 0 else axis


def _bad_axis(view: OperatorView) -> str | None:
    rank = len(_source(view).shape)
    return None if 0 <= _axis(view) < rank else f"dimension {_given_axis(view)} of {rank}"


def _bad_parts(view: OperatorView) -> str | None:
    """Every part has the input's extents but for one dimension, along which they add up."""
    axis, shape = _axis(view), _source(view).shape
    extents = []
    for tensor in view.outputs:
        if len(tensor.shape) != len(shape) or (*tensor.shape[:axis], shape[axis], *tensor.shape[axis + 1 :]) != shape:
            return f"{shape} and {tensor.shape}"
        extents.append(tensor.shape[axis])
    return None if sum(extents) == shape[axis] else f"{shape[axis]} and {' + '.join(map(str, extents))}"


def _unequal(view: OperatorView) -> str | None:
    extents = {tensor.shape[_axis(view)] for tensor in view.outputs}
    return None if len(extents) == 1 else f"extents {', '.join(map(str, sorted(extents)))}"


def _bad_sizes(view: OperatorView) -> str | None:
    sizes, extents = c.integers_of(view.tensor(1)), [t.shape[_axis(view)] for t in view.outputs]
    agree = len(sizes) == len(extents) and all(s in (-1, e) for s, e in zip(sizes, extents, strict=True))
    return None if agree and sizes.count(-1) <= 1 else f"sizes {sizes}, outputs {extents}"


def _bad_rows(view: OperatorView) -> str | None:
    """Of UNPACK: one output for each index of the dimension, which is gone from their shapes."""
    axis, shape = _axis(view), _source(view).shape
    if not len(view.outputs) == view.options.count == shape[axis]:
        return f"{shape[axis]} along it, {len(view.outputs)} outputs, {view.options.count} said"
    wrong = next((t for t in view.outputs if t.shape != (*shape[:axis], *shape[axis + 1 :])), None)
    return f"{shape} and {wrong.shape}" if wrong else None


def _parts(view: OperatorView) -> Iterator[Call]:
    source = _source(view)
    rows, start = math.prod(source.shape[: _axis(view)]), 0
    for tensor in view.outputs:
        width = tensor.elements // rows
        yield copy_call(source, tensor, (Loop(rows, source.elements // rows, width), Loop(width, 1, 1)), read=start)
        start += width


def lower(view: OperatorView) -> Lowered:
    return copied(_parts(view))


_AXIS_EXISTS = c.holds("the dimension exists", _bad_axis)
_ADD_UP = c.holds("the outputs add up to the input along one dimension and have its other extents", _bad_parts)

KINDS = (
    OperatorKind(
        "SPLIT",
        (
            c.operands(2, 2, MOST_OUTPUTS),
            limits.moved(limits.PLAIN, 1),
            limits.single(0, "dimension"),
            _AXIS_EXISTS,
            _ADD_UP,
            c.holds("all outputs have the same shape", _unequal),
            c.same_quantisation(),
        ),
        lower,
    ),
    OperatorKind(
        "SPLIT_V",
        (
            c.operands(3, 3, MOST_OUTPUTS),
            limits.moved(limits.PLAIN),
            limits.single(2, "dimension"),
            _AXIS_EXISTS,
            _ADD_UP,
            c.constant(1, "sizes", ("int32", "int64")),
            c.holds("the sizes are those of the outputs, -1 standing for one of them at most", _bad_sizes),
            c.same_quantisation(),
        ),
        lower,
    ),
    OperatorKind(
        "UNPACK",
        (
            c.operands(1, 1, MOST_OUTPUTS),
            limits.moved(limits.PLAIN),
            _AXIS_EXISTS,
            c.holds("there is an output for each index of the dimension, without that dimension", _bad_rows),
            c.same_quantisation(),
        ),
        lower,
    ),
)
