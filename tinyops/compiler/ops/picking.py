"""Copies by index: along each dimension of the output stands which index of the input comes there.

Where the indices follow a rule this is a copy in loops; where they do not, their offsets become a table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tinyops.compiler.lowered import Argument, Call, Constant, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.copying import BYTES_HEADER, MOST_LOOPS, Loop, copied, copy_call, joined, strides
from tinyops.graph import DTYPES, Tensor

PICK_KERNEL = Kernel("kernels/pick.c", ("tinyops/kernels/movement.h", BYTES_HEADER))
TABLES = 4  # TINYOPS_PICK_TABLES in movement.h
MOST_ENTRIES = 1 << 16  # of all tables together


@dataclass(frozen=True)
class Axis:
    """A dimension of the output: where in the input each of its indices is, in elements.

    A range where all of a dimension comes in its order, however long; otherwise a tuple.
    """

    offsets: range | tuple[int, ...]

    @staticmethod
    def of(indices: Sequence[int], stride: int) -> Axis:
        return Axis(tuple(i * stride for i in indices))

    def further(self, by: int) -> Axis:
        o = self.offsets
        return Axis(range(o.start + by, o.stop + by, o.step) if isinstance(o, range) else tuple(i + by for i in o))


def whole(extent: int, stride: int) -> Axis:
    return Axis(range(0, extent * stride, stride))


def pick(source: Tensor, output: Tensor, axes: Sequence[Axis]) -> Lowered:
    """Every element of the output, its dimensions being `axes`, the outermost first.

    Raises nothing where at most four dimensions remain when neighbouring whole ones are one.
    """
    kept = _merged([axis for axis in axes if len(axis.offsets) > 1]) or [whole(1, 1)]
    kept[0] = kept[0].further(sum(axis.offsets[0] for axis in axes if len(axis.offsets) == 1))
    in_loops = _loops(kept)
    if in_loops is not None and _fits(in_loops):
        return copied([copy_call(source, output, in_loops, read=sum(axis.offsets[0] for axis in kept))])
    run = len(kept.pop().offsets) if kept[-1] == whole(len(kept[-1].offsets), 1) else 1
    return Lowered((_pick_call(source, output, run, kept),), PICK_KERNEL)


def _merged(axes: Sequence[Axis]) -> list[Axis]:
    """With whole dimensions that lie next to each other as one."""
    found: list[Axis] = []
    for axis in axes:
        outer, inner = found[-1].offsets if found else (), axis.offsets
        if isinstance(outer, range) and isinstance(inner, range) and outer.step == len(inner) * inner.step:
            found[-1] = Axis(range(outer.start, outer.stop, inner.step))
        else:
            found.append(axis)
    return found


def _fits(loops: Sequence[Loop]) -> bool:
    *_, last = joined(loops) or (Loop(1, 1, 1),)
    return len(joined(loops)) - ((last.read, last.write) == (1, 1)) <= MOST_LOOPS


def _loops(axes: Sequence[Axis]) -> tuple[Loop, ...] | None:
    """The dimensions as loops, two of them where each index comes several times or in groups; None without a rule."""
    found: list[Loop] = []
    for axis, width in zip(axes, strides([len(a.offsets) for a in axes]), strict=True):
        rule = _rule(axis.offsets)
        if rule is None:
            return None
        group, outer, inner = rule
        count = len(axis.offsets)
        found += [Loop(count // group, outer, group * width), Loop(group, inner, width)]
    return tuple(found)


def _rule(offsets: Sequence[int]) -> tuple[int, int, int] | None:
    """(group, outer, inner): offset i is the first one + i // group * outer + i % group * inner."""
    first, count = offsets[0], len(offsets)
    if isinstance(offsets, range):
        return count, 0, offsets.step
    inner = offsets[1] - first
    group = next((i for i in range(1, count) if offsets[i] - first != i * inner), count)
    if count % group:
        return None
    outer = offsets[group] - first if group < count else 0
    wanted = (first + i // group * outer + i % group * inner for i in range(count))
    return (group, outer, inner) if all(map(int.__eq__, offsets, wanted)) else None


def _pick_call(source: Tensor, output: Tensor, run: int, tables: Sequence[Axis]) -> Call:
    import numpy as np

    width = DTYPES[output.dtype]
    four = [Axis((0,))] * (TABLES - len(tables)) + list(tables)
    offsets = np.array([offset * width for axis in four for offset in axis.offsets], np.int32)
    extent = tuple(len(axis.offsets) for axis in four)
    assert len(extent) == TABLES and math.prod(extent) * run == output.elements
    params: dict[str, Field] = {"extent": extent, "run": run * width}
    note = f"offsets in the input, of {', '.join(str(len(a.offsets)) for a in tables)} indices"
    arguments: tuple[Argument, ...] = (
        Read(source.index),
        Constant("offsets", "int32_t", offsets, note),
        Write(output.index),
    )
    return Call("tinyops_pick", "tinyops_pick_params", params, arguments)
