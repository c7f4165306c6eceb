"""GATHER with constant indices, BROADCAST_TO and MIRROR_PAD."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.ops import limits
from tinyops.compiler.ops.copying import MOVED, copied, copy_call, dense, strides
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.picking import MOST_ENTRIES, Axis, pick, whole
from tinyops.compiler.view import OperatorView

TYPES = ("int8", "float32")


def _few_entries(entries: Callable[[OperatorView], int]) -> c.Constraint:
    def check(view: OperatorView) -> str | None:
        count = entries(view)
        return None if count <= MOST_ENTRIES else f"{count:,}"

    return c.holds(f"at most {MOST_ENTRIES:,} indices are looked up", check)


# -- GATHER --------------------------------------------------------------------------------------


def _axis(view: OperatorView) -> int:
    axis = int(view.options.axis)
    return axis + len(view.tensor(0).shape) if axis < 0 else axis


def _batches(view: OperatorView) -> int:
    """Leading dimensions in which input and indices go side by side."""
    given = int(view.options.batch_dims)
    return given + len(view.tensor(1).shape) if given < 0 else given


def _bad_axis(view: OperatorView) -> str | None:
    axis, rank = _axis(view), len(view.tensor(0).shape)
    return None if 0 <= axis < rank else f"dimension {view.options.axis} of {rank}"


def _bad_batches(view: OperatorView) -> str | None:
    batches, source, indices = _batches(view), view.tensor(0).shape, view.tensor(1).shape
    if not 0 <= batches <= min(_axis(view), len(indices)):
        return f"{view.options.batch_dims} of {len(indices)}"
    return None if source[:batches] == indices[:batches] else f"{source[:batches]} and {indices[:batches]}"


def _bad_index(view: OperatorView) -> str | None:
    extent = view.tensor(0).shape[_axis(view)]
    wrong = next((i for i in c.integers_of(view.tensor(1)) if not 0 <= i < extent), None)
    return None if wrong is None else f"index {wrong} of {extent}"


def _gathered(view: OperatorView) -> tuple[int, ...]:
    source, indices, axis = view.tensor(0).shape, view.tensor(1).shape, _axis(view)
    return (*source[:axis], *indices[_batches(view) :], *source[axis + 1 :])


def _gather_axes(view: OperatorView) -> list[Axis]:
    """The dimensions before the gathered one, the indices, the dimensions behind; with batches, all but the last."""
    source, axis = view.tensor(0).shape, _axis(view)
    around = [whole(e, w) for e, w in zip(source, strides(source), strict=True)]
    if _batches(view):
        return [Axis(tuple(_batched(view))), *around[axis + 1 :]]
    return [*around[:axis], Axis.of(c.integers_of(view.tensor(1)), strides(source)[axis]), *around[axis + 1 :]]


def _batched(view: OperatorView) -> Iterator[int]:
    """Offsets of what is gathered, each batch of the input with the indices of its own."""
    source, axis, indices = view.tensor(0).shape, _axis(view), c.integers_of(view.tensor(1))
    batches, width = math.prod(source[: _batches(view)]), strides(source)[axis]
    rows, each = math.prod(source[_batches(view) : axis]), len(indices) // batches
    for batch, row in itertools.product(range(batches), range(rows)):
        start = (batch * rows + row) * source[axis] * width
        yield from (start + index * width for index in indices[batch * each : (batch + 1) * each])


def _gather_entries(view: OperatorView) -> int:
    source, axis, indices = view.tensor(0).shape, _axis(view), view.tensor(1)
    rows = math.prod(source[_batches(view) : axis])
    return indices.elements * rows if _batches(view) else indices.elements + rows


def lower_gather(view: OperatorView) -> Lowered:
    return pick(view.tensor(0), view.output, _gather_axes(view))


# -- MIRROR_PAD ----------------------------------------------------------------------------------


def _pairs(view: OperatorView) -> list[tuple[int, int]]:
    flat = c.integers_of(view.tensor(1))
    return list(zip(flat[::2], flat[1::2], strict=True))


def _bad_amounts(view: OperatorView) -> str | None:
    """The mirror shows what is there: at most the input, without its edge where that is not repeated."""
    shape, amounts = view.tensor(0).shape, view.tensor(1).shape
    if amounts != (len(shape), 2):
        return f"amounts of shape {amounts}, wanted {(len(shape), 2)}"
    spared = 1 if view.options.mode == "REFLECT" else 0
    for extent, pair in zip(shape, _pairs(view), strict=True):
        if not all(0 <= amount <= extent - spared for amount in pair):
            return f"{pair} around {extent}"
    return None


def _padded(view: OperatorView) -> tuple[int, ...]:
    return tuple(extent + sum(pair) for extent, pair in zip(view.tensor(0).shape, _pairs(view), strict=True))


def _mirrored(view: OperatorView) -> list[Axis]:
    spared = 1 if view.options.mode == "REFLECT" else 0
    shape = view.tensor(0).shape
    axes = []
    for extent, stride, (before, after) in zip(shape, strides(shape), _pairs(view), strict=True):
        front = range(before - 1 + spared, spared - 1, -1)
        back = range(extent - 1 - spared, extent - 1 - spared - after, -1)
        plain = before == after == 0
        axes.append(whole(extent, stride) if plain else Axis.of([*front, *range(extent), *back], stride))
    return axes


def lower_mirror_pad(view: OperatorView) -> Lowered:
    return pick(view.tensor(0), view.output, _mirrored(view))


# -- BROADCAST_TO --------------------------------------------------------------------------------


def _bad_broadcast(view: OperatorView) -> str | None:
    source, output = view.tensor(0).shape, view.output.shape
    wanted = c.integers_of(view.tensor(1))
    if list(output) != wanted or len(source) > len(output) or len(output) > 5:
        return f"{source} to {wanted}, the output is {output}"
    agree = all(e in (1, o) for e, o in zip(reversed(source), reversed(output), strict=False))
    return None if agree else f"{source} to {wanted}"


def lower_broadcast(view: OperatorView) -> Lowered:
    source, output = view.tensor(0), view.output
    shape = (1,) * (len(output.shape) - len(source.shape)) + source.shape
    reads = [0 if extent == 1 else width for extent, width in zip(shape, strides(shape), strict=True)]
    return copied([copy_call(source, output, dense(output.shape, reads))])


KINDS = (
    OperatorKind(
        "GATHER",
        (
            c.operands(2, 2),
            limits.moved(TYPES),
            c.constant(1, "indices", ("int32",)),
            c.holds("the dimension exists", _bad_axis),
            c.holds("batch dimensions lie before it and are the same in input and indices", _bad_batches),
            c.holds("every index lies inside of the input", _bad_index),
            c.shape_is("input, indices and output agree", _gathered),
            c.same_quantisation(),
            _few_entries(_gather_entries),
        ),
        lower_gather,
    ),
    OperatorKind(
        "MIRROR_PAD",
        (
            c.operands(2, 2),
            limits.moved(TYPES),
            c.ranks(1, 4),
            c.constant(1, "amounts", ("int32", "int64")),
            c.holds("an amount before and after each dimension, no more than there is to mirror", _bad_amounts),
            c.shape_is("input, amounts and output agree", _padded),
            c.same_quantisation(),
            _few_entries(lambda view: sum(view.output.shape)),
        ),
        lower_mirror_pad,
    ),
    OperatorKind(
        "BROADCAST_TO",
        (
            c.operands(2, 2),
            limits.moved(MOVED),
            c.constant(1, "extents", ("int32", "int64")),
            c.holds("the output has these extents, at most 5, and the input those or 1", _bad_broadcast),
            c.same_quantisation(),
        ),
        lower_broadcast,
    ),
)
