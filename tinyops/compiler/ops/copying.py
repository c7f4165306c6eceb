"""Copies in loops: what every operator that only moves values becomes.

An operator says, outermost first, how often each loop runs and how far it moves in input and output; what lies side by
side in both is joined here, down to the bytes that are copied at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tinyops.compiler.distances import copy_distance
from tinyops.compiler.lowered import Call, Field, Kernel, Lowered, Read, Share, Write
from tinyops.graph import DTYPES, Tensor

BYTES_HEADER = "tinyops/kernels/bytes.h"
COPY_KERNEL = Kernel("kernels/copy.c", ("tinyops/kernels/movement.h", BYTES_HEADER))
MOST_LOOPS = 5  # TINYOPS_COPY_LOOPS in movement.h
MOVED = ("int8", "uint8", "int16", "int32", "float32")  # element types that C code here has a name for


@dataclass(frozen=True)
class Loop:
    """`extent` times; `read` and `write` are how far input and output go each time, in elements."""

    extent: int
    read: int
    write: int


def strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Elements from one index of each dimension to the next."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def dense(extents: Sequence[int], reads: Sequence[int]) -> tuple[Loop, ...]:
    """Loops over a whole output of these extents, in order."""
    return tuple(Loop(*loop) for loop in zip(extents, reads, strides(extents), strict=True))


def joined(loops: Sequence[Loop]) -> tuple[Loop, ...]:
    """The same copy in the order of the output, with as few loops as there can be."""
    found: list[Loop] = []
    for loop in sorted((one for one in loops if one.extent > 1), key=lambda one: -one.write):
        outer = found[-1] if found else None
        if outer and (outer.read, outer.write) == (loop.extent * loop.read, loop.extent * loop.write):
            found[-1] = Loop(outer.extent * loop.extent, loop.read, loop.write)
        else:
            found.append(loop)
    return tuple(found)


def copy_call(source: Tensor, output: Tensor, loops: Sequence[Loop], read: int = 0, write: int = 0) -> Call:
    """Copies from element `read` of the input on to element `write` of the output on.

    One block that is all of either tensor need not be copied where that tensor lies inside the other.
    """
    width = DTYPES[output.dtype]
    *around, last = joined(loops) or (Loop(1, 1, 1),)
    if (last.read, last.write) != (1, 1):
        around, last = [*around, last], Loop(1, 1, 1)
    run = last.extent * width
    params = _params(around, run, read * width, write * width, width)
    if copy_distance(params) > min(source.bytes, output.bytes) // 2:  # no use in keeping the output's order
        params = _params(sorted(around, key=lambda loop: loop.extent), run, read * width, write * width, width)
    share = None
    if run == output.bytes:
        share = Share(output.index, source.index, read * width)
    elif run == source.bytes and not around:
        share = Share(source.index, output.index, write * width)
    arguments = (Read(source.index), Write(output.index))
    return Call("tinyops_copy", "tinyops_copy_params", params, arguments, share)


def _params(loops: Sequence[Loop], run: int, read: int, write: int, width: int) -> dict[str, Field]:
    """Steps in bytes, from loops in elements of `width` bytes."""
    assert len(loops) <= MOST_LOOPS
    filled = [Loop(1, 0, 0)] * (MOST_LOOPS - len(loops)) + list(loops)
    return {
        "input_start": read,
        "output_start": write,
        "run": run,
        "extent": tuple(loop.extent for loop in filled),
        "input_step": tuple(loop.read * width for loop in filled),
        "output_step": tuple(loop.write * width for loop in filled),
    }


def copied(calls: Iterator[Call] | Sequence[Call]) -> Lowered:
    return Lowered(tuple(calls), COPY_KERNEL)


def same_bytes(source: Tensor, output: Tensor) -> Lowered:
    """For operators that change a shape and nothing else."""
    return copied((copy_call(source, output, (Loop(output.elements, 1, 1),)),))
