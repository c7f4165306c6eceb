"""SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND of (N, H, C) and (N, H, W, C), which stand around dilated convolutions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.ops import limits
from tinyops.compiler.ops.copying import copied, copy_call, dense, strides
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.picking import MOST_ENTRIES, Axis, pick, whole
from tinyops.compiler.view import OperatorView

ADVICE = "export the model with a batch of 1, and no such operator is needed"


@dataclass(frozen=True)
class Blocks:
    """Shapes as (N, H, W, C), W being 1 where there is none; blocks and what is added or cut of height and width."""

    source: tuple[int, ...]
    output: tuple[int, ...]
    block: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]


def _four(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape if len(shape) == 4 else (shape[0], shape[1], 1, *shape[2:])


def _blocks(view: OperatorView) -> Blocks:
    block, flat = c.integers_of(view.tensor(1)), c.integers_of(view.tensor(2))
    filled = [*flat, 0, 0]
    return Blocks(
        _four(view.tensor(0).shape),
        _four(view.output.shape),
        (block[0], block[1] if len(block) > 1 else 1),
        (filled[0], filled[2]),
        (filled[1], filled[3]),
    )


def _bad_lists(view: OperatorView) -> str | None:
    spatial = len(view.tensor(0).shape) - 2
    block, amounts = view.tensor(1), view.tensor(2)
    if block.shape != (spatial,) or amounts.shape != (spatial, 2):
        return f"shapes {block.shape} and {amounts.shape}"
    if min(c.integers_of(block)) < 1 or min(c.integers_of(amounts)) < 0:
        return f"blocks {c.integers_of(block)}, amounts {c.integers_of(amounts)}"
    return None


def _expected(view: OperatorView) -> tuple[int, ...] | None:
    """The output's shape; None where blocks do not divide what they have to."""
    b = _blocks(view)
    to_batch = view.operator.name == "SPACE_TO_BATCH_ND"
    batch, extents = b.source[0], []
    for extent, block, before, after in zip(b.source[1:3], b.block, b.before, b.after, strict=True):
        padded = extent + before + after
        if padded % block if to_batch else batch % block:
            return None
        batch = batch * block if to_batch else batch // block
        extents.append(padded // block if to_batch else extent * block - before - after)
    kept = extents[: len(view.tensor(0).shape) - 2]
    return (batch, *kept, b.source[3])


def _too_large(view: OperatorView) -> str | None:
    extent = sum(_blocks(view).output[1:3])
    return None if extent <= MOST_ENTRIES else f"{extent:,}"


def _padded(view: OperatorView) -> str | None:
    """The interpreter fills with a number that it never sets, where the zero point belongs."""
    amounts = c.integers_of(view.tensor(2))
    return f"{amounts}" if any(amounts) else None


def lower_to_batch(view: OperatorView) -> Lowered:
    """Reads in the order (rows of a block, columns of a block, N, rows, columns, C)."""
    b = _blocks(view)
    step, order = strides(b.source), (*b.block, b.source[0], *b.output[1:])
    reads = (step[1], step[2], step[0], step[1] * b.block[0], step[2] * b.block[1], 1)
    return copied([copy_call(view.tensor(0), view.output, dense(order, reads))])


def lower_to_space(view: OperatorView) -> Lowered:
    """Row y of the output, with what was cut before it: row y // block of the images of the rows y % block."""
    b = _blocks(view)
    batch, step = b.output[0], strides(b.source)
    rows, columns = (
        Axis.of(
            [(y + cut) % block * images * step[0] + (y + cut) // block * width for y in range(extent)],
            1,
        )
        for extent, cut, block, images, width in (
            (b.output[1], b.before[0], b.block[0], batch * b.block[1], step[1]),
            (b.output[2], b.before[1], b.block[1], batch, step[2]),
        )
    )
    return pick(view.tensor(0), view.output, [whole(batch, step[0]), rows, columns, whole(b.source[3], 1)])


def _kind(name: str, lower: Callable[[OperatorView], Lowered], *more: c.Constraint) -> OperatorKind:
    own = (
        c.operands(3, 3),
        limits.moved(("int8",)),
        c.ranks(3, 4),
        c.constant(1, "blocks", ("int32",)),
        c.constant(2, "amounts", ("int32",)),
        c.holds("a block of 1 or more, and amounts that are not negative, for each of height and width", _bad_lists),
        c.shape_is("input, blocks, amounts and output agree", _expected, ADVICE),
        c.holds(f"at most {MOST_ENTRIES:,} rows and columns", _too_large),
        c.same_quantisation(),
        *more,
    )
    return OperatorKind(name, own, lower)


KINDS = (
    _kind("SPACE_TO_BATCH_ND", lower_to_batch, c.holds("nothing is added", _padded, ADVICE)),
    _kind("BATCH_TO_SPACE_ND", lower_to_space),
)
