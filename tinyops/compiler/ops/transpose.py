"""TRANSPOSE, REVERSE_V2, DEPTH_TO_SPACE and SPACE_TO_DEPTH: the same values in another order."""

from __future__ import annotations

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.ops import limits
from tinyops.compiler.ops.copying import MOVED, Loop, copied, copy_call, dense, strides
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView


def _rank(view: OperatorView) -> int:
    return len(view.tensor(0).shape)


def _too_many(view: OperatorView) -> str | None:
    return None if 1 <= _rank(view) <= 5 else f"shape {view.tensor(0).shape}"


def _not_permuted(view: OperatorView) -> str | None:
    order = c.integers_of(view.tensor(1))
    return None if sorted(order) == list(range(_rank(view))) else f"{order}"


def _transposed(view: OperatorView) -> tuple[int, ...]:
    return tuple(view.tensor(0).shape[i] for i in c.integers_of(view.tensor(1)))


def lower_transpose(view: OperatorView) -> Lowered:
    source, output = view.tensor(0), view.output
    width = strides(source.shape)
    loops = dense(output.shape, [width[i] for i in c.integers_of(view.tensor(1))])
    return copied([copy_call(source, output, loops)])


# -- reversal ------------------------------------------------------------------------------------


def _reversed(view: OperatorView) -> list[int]:
    return sorted(axis + _rank(view) if axis < 0 else axis for axis in c.integers_of(view.tensor(1)))


def _not_neighbours(view: OperatorView) -> str | None:
    axes = _reversed(view)
    good = axes[0] >= 0 and axes[-1] < _rank(view) and axes == list(range(axes[0], axes[-1] + 1))
    return None if good else f"dimensions {c.integers_of(view.tensor(1))} of {_rank(view)}"


def lower_reverse(view: OperatorView) -> Lowered:
    source, output, axes = view.tensor(0), view.output, _reversed(view)
    width = strides(source.shape)
    loops = dense(output.shape, [-w if i in axes else w for i, w in enumerate(width)])
    return copied([copy_call(source, output, loops, read=sum((source.shape[i] - 1) * width[i] for i in axes))])


# -- blocks --------------------------------------------------------------------------------------


def _deep(view: OperatorView) -> tuple[int, ...] | None:
    """Output of SPACE_TO_DEPTH."""
    (batch, height, width, channels), block = view.tensor(0).shape, view.options.block
    if height % block or width % block:
        return None
    return (batch, height // block, width // block, channels * block * block)


def _wide(view: OperatorView) -> tuple[int, ...] | None:
    """Output of DEPTH_TO_SPACE."""
    (batch, height, width, channels), block = view.tensor(0).shape, view.options.block
    if channels % (block * block):
        return None
    return (batch, height * block, width * block, channels // (block * block))


def lower_blocks(view: OperatorView) -> Lowered:
    """Both go from one order to the other of (batch, rows, rows of a block, columns, columns of a block, channels)."""
    source, output, block = view.tensor(0), view.output, view.options.block
    to_depth = view.operator.name == "SPACE_TO_DEPTH"
    batch, rows, columns, _ = (output if to_depth else source).shape
    channels = (source if to_depth else output).shape[3]
    wide = (batch, rows, block, columns, block, channels)
    deep = strides((batch, rows, columns, block, block, channels))
    reordered = tuple(deep[i] for i in (0, 1, 3, 2, 4, 5))
    reads, writes = (strides(wide), reordered) if to_depth else (reordered, strides(wide))
    loops = [Loop(*loop) for loop in zip(wide, reads, writes, strict=True)]
    return copied([copy_call(source, output, loops)])


def _block_kind(name: str, shape: c.Shape) -> OperatorKind:
    own = (
        c.operands(1, 1),
        limits.moved(("int8", "float32")),
        c.ranks(4, 4),
        c.shape_is("blocks divide the input, and input, block and output agree", shape),
        c.same_quantisation(),
    )
    return OperatorKind(name, own, lower_blocks)


KINDS = (
    OperatorKind(
        "TRANSPOSE",
        (
            c.operands(2, 2),
            limits.moved(("int8", "int16", "float32")),
            c.holds("the input has 1 to 5 dimensions", _too_many),
            limits.numbers(1, "dimensions", _rank, ("int32",)),
            c.holds("each dimension is named once", _not_permuted),
            c.shape_is("input, dimensions and output agree", _transposed),
            c.same_quantisation(),
        ),
        lower_transpose,
    ),
    OperatorKind(
        "REVERSE_V2",
        (
            c.operands(2, 2),
            limits.moved(MOVED),
            c.holds("the input has 1 to 5 dimensions", _too_many),
            c.constant(1, "dimensions", ("int32",)),
            c.holds("the dimensions are neighbours", _not_neighbours, "reverse one after the other"),
            # Converters give the output a scale of its own, and the interpreter moves the bytes all the same.
            c.shape_is("input and output have the same shape", lambda view: view.tensor(0).shape),
        ),
        lower_reverse,
    ),
    _block_kind("DEPTH_TO_SPACE", _wide),
    _block_kind("SPACE_TO_DEPTH", _deep),
)
