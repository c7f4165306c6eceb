"""Which operators must stay in the file's order beyond what their tensors say: those that keep state."""

from __future__ import annotations

from collections.abc import Iterator

from tinyops.graph import Graph, Operator

# Operators on resource variables, whose storage no tensor shows.
STATEFUL = frozenset(
    ("CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "SVDF", "LSTM")
)


def keeps_state(graph: Graph, operator: Operator) -> bool:
    """Whether an operator does more than its outputs say."""
    touches_variable = any(graph.tensors[i].variable for i in (*operator.inputs, *operator.outputs) if i is not None)
    return touches_variable or operator.name in STATEFUL or not operator.outputs


def ordered_pairs(graph: Graph) -> Iterator[tuple[int, int]]:
    """(before, after): operators by index that must run in this order although no tensor leads from one to the other.

    A value that was read from a variable may lie where the variable lies, so whoever reads the value must run before
    the variable changes: each stateful operator comes after everything that came before it in the file.
    """
    barrier = -1
    for operator in graph.operators:
        if barrier >= 0:
            yield barrier, operator.index
        if keeps_state(graph, operator):
            yield from ((before, operator.index) for before in range(barrier + 1, operator.index))
            barrier = operator.index
