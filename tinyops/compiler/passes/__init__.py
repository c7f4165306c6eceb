"""Passes: Graph -> Graph, before operators are lowered. Pure; none changes a bit of what the model computes.

They run once each, in the order of `PASSES`, on graphs that no constraint has looked at yet: a pass changes only what
it has checked itself, everything else is left for lowering to compile or refuse. Tensors keep their numbers, operators
the number that the file gives them (`Operator.number`).
"""

from __future__ import annotations

from tinyops.compiler.passes import (
    drop_dead,
    fold_constants,
    fold_padding,
    fold_quantize,
    fold_reshape,
    fuse_activations,
    fuse_dilation,
)
from tinyops.compiler.passes.kind import Applied, Pass, difference
from tinyops.graph import Graph

PASSES: tuple[Pass, ...] = (
    fold_constants.PASS,
    fold_reshape.PASS,
    fuse_dilation.PASS,
    fold_padding.PASS,
    fold_quantize.PASS,
    fuse_activations.PASS,
    drop_dead.PASS,
)


def run_passes(graph: Graph, passes: tuple[Pass, ...] = PASSES) -> tuple[Graph, tuple[Applied, ...]]:
    """The graph after all passes, and what each did."""
    done = []
    for one in passes:
        after = one.run(graph)
        done.append(difference(one, graph, after))
        graph = after
    return graph, tuple(done)
