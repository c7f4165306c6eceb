"""When each tensor must exist."""

from __future__ import annotations

from tinyops.graph.order import state_of
from tinyops.graph.types import Graph


def live_ranges(graph: Graph) -> dict[int, tuple[int, int]]:
    """First and last operator (inclusive) during which each computed tensor must exist.

    Inputs of the graph start at -1; outputs end at the number of operators; variables that an operator touches do
    both. Constants are left out.
    """
    first = dict.fromkeys(graph.inputs, -1)
    last = dict.fromkeys(graph.inputs, -1)
    for operator in graph.operators:
        for tensor in operator.outputs:
            first[tensor] = last[tensor] = operator.index
        for used in operator.inputs:
            if used in first:
                last[used] = operator.index
    state = state_of(graph)
    first.update(dict.fromkeys(state, -1))
    last.update(dict.fromkeys((*graph.outputs, *state), len(graph.operators)))
    return {tensor: (first[tensor], last[tensor]) for tensor in first}
