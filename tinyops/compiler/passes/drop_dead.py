"""Operators whose results nobody reads, and with them the constants that only they read."""

from __future__ import annotations

from tinyops.compiler.passes.kind import Pass
from tinyops.compiler.passes.ordering import keeps_state
from tinyops.compiler.passes.rewrite import Rewrite, rewritten
from tinyops.graph import Graph


def run(graph: Graph) -> Graph:
    """From the last operator to the first: it stays where something behind it, or outside, needs it."""
    needed = set(graph.outputs)
    dead = set()
    for operator in reversed(graph.operators):
        if needed.isdisjoint(operator.outputs) and not keeps_state(graph, operator):
            dead.add(operator.index)
        else:
            needed.update(index for index in operator.inputs if index is not None)
    return rewritten(graph, Rewrite(frozenset(dead))) if dead and len(dead) < len(graph.operators) else graph


PASS = Pass("drop_dead", "operators whose results nothing reads are left out, with the constants only they read", run)
