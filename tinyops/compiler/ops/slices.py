"""SLICE and STRIDED_SLICE: a part of the input, along each dimension from an index on, in steps."""

from __future__ import annotations

from collections.abc import Sequence

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.ops import limits
from tinyops.compiler.ops.copying import Loop, copied, copy_call, strides
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView
from tinyops.graph import StridedSliceOptions


def _rank(view: OperatorView) -> int:
    return len(view.tensor(0).shape)


def _too_many(most: int) -> c.Check:
    def check(view: OperatorView) -> str | None:
        return None if 1 <= _rank(view) <= most else f"shape {view.tensor(0).shape}"

    return check


def _sliced(view: OperatorView, begin: Sequence[int], step: Sequence[int], extents: Sequence[int]) -> Lowered:
    """Element `begin`, and as many as `extents` in steps of `step` from it."""
    source, output = view.tensor(0), view.output
    width = strides(source.shape)
    kept = strides(extents)
    loops = [Loop(e, s * w, k) for e, s, w, k in zip(extents, step, width, kept, strict=True)]
    return copied([copy_call(source, output, loops, read=sum(b * w for b, w in zip(begin, width, strict=True)))])


# -- SLICE ---------------------------------------------------------------------------------------


def _sizes(view: OperatorView) -> tuple[int, ...]:
    """Extents of the output; -1 stands for all there is behind `begin`."""
    begin, size = c.integers_of(view.tensor(1)), c.integers_of(view.tensor(2))
    return tuple(e - b if s == -1 else s for e, b, s in zip(view.tensor(0).shape, begin, size, strict=True))


def _outside(view: OperatorView) -> str | None:
    begin, size = c.integers_of(view.tensor(1)), c.integers_of(view.tensor(2))
    for i, (extent, first, count) in enumerate(zip(view.tensor(0).shape, begin, size, strict=True)):
        if not (0 <= first < extent and (count == -1 or 1 <= count <= extent - first)):
            return f"dimension {i} of {extent}, begin {first}, size {count}"
    return None


def lower_slice(view: OperatorView) -> Lowered:
    return _sliced(view, c.integers_of(view.tensor(1)), [1] * _rank(view), _sizes(view))


# -- STRIDED_SLICE -------------------------------------------------------------------------------


def _other_masks(view: OperatorView) -> str | None:
    options = view.options
    assert isinstance(options, StridedSliceOptions)
    given = {"ellipsis": options.ellipsis_mask, "new axis": options.new_axis_mask, "offset": options.offset}
    return next((f"{name} is set" for name, value in given.items() if value), None)


def _shrunk(view: OperatorView, axis: int) -> bool:
    return bool(view.options.shrink_mask >> axis & 1)


def _ranges(view: OperatorView) -> list[range]:
    """The indices that are taken of each dimension."""
    begin, end, step = (c.integers_of(view.tensor(i)) for i in (1, 2, 3))
    found = []
    for i, extent in enumerate(view.tensor(0).shape):
        first = None if view.options.begin_mask >> i & 1 else begin[i]
        last = None if view.options.end_mask >> i & 1 else end[i]
        taken = range(*slice(first, last, step[i]).indices(extent))
        if _shrunk(view, i):
            start = slice(first, None, step[i]).indices(extent)[0]
            taken = range(start, start + 1)
        found.append(taken)
    return found


def _bad_steps(view: OperatorView) -> str | None:
    step = c.integers_of(view.tensor(3))
    wrong = next((i for i, s in enumerate(step) if s == 0 or (s < 0 and _shrunk(view, i))), None)
    return None if wrong is None else f"{step[wrong]} along dimension {wrong}"


def _bad_index(view: OperatorView) -> str | None:
    """An index that is taken alone and is not there: the interpreter would take another, or none."""
    for i, extent in enumerate(view.tensor(0).shape):
        first = c.integers_of(view.tensor(1))[i]
        if _shrunk(view, i) and not view.options.begin_mask >> i & 1 and not -extent <= first < extent:
            return f"index {first} of {extent} along dimension {i}"
    return None


def _expected(view: OperatorView) -> tuple[int, ...]:
    return tuple(len(taken) for i, taken in enumerate(_ranges(view)) if not _shrunk(view, i))


def lower_strided_slice(view: OperatorView) -> Lowered:
    taken = _ranges(view)
    return _sliced(view, [r.start for r in taken], [r.step for r in taken], [len(r) for r in taken])


KINDS = (
    OperatorKind(
        "SLICE",
        (
            c.operands(3, 3),
            limits.moved(limits.PLAIN),
            c.holds("the input has 1 to 5 dimensions", _too_many(5)),
            limits.numbers(1, "begins", _rank),
            limits.numbers(2, "sizes", _rank),
            c.holds("begin and size lie inside of the input", _outside),
            c.shape_is("the output has the shape of the sizes", _sizes),
            c.same_quantisation(),
        ),
        lower_slice,
    ),
    OperatorKind(
        "STRIDED_SLICE",
        (
            c.operands(4, 4),
            limits.moved(limits.PLAIN),
            c.holds("the input has 1 to 4 dimensions", _too_many(4)),
            c.holds("no ellipsis, new axis or offset, as in the interpreter", _other_masks, "slice every dimension"),
            limits.numbers(1, "begins", _rank, ("int32",)),
            limits.numbers(2, "ends", _rank, ("int32",)),
            limits.numbers(3, "steps", _rank, ("int32",)),
            c.holds("no step is 0, and none of a single index below", _bad_steps),
            c.holds("single indices lie inside of the input", _bad_index),
            c.shape_is("input, begins, ends, steps and output agree", _expected),
            c.same_quantisation(),
        ),
        lower_strided_slice,
    ),
)
