"""What must run before what. Operators that touch the same variable keep the order that the file gives them."""

from __future__ import annotations

from tinyops.graph.types import Graph, Operator

# Operators that take variables. Others would see a value that changes, which passes over a graph do not reckon with.
KEEPERS = frozenset({"READ_VARIABLE", "ASSIGN_VARIABLE", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"})
READERS = frozenset({"READ_VARIABLE"})  # all other operators that take a variable may change it


def touched(graph: Graph, operator: Operator) -> frozenset[int]:
    """The variables that an operator reads or writes."""
    operands = (*operator.inputs, *operator.outputs)
    return frozenset(i for i in operands if i is not None and graph.tensors[i].variable)


def changes(graph: Graph, operator: Operator) -> frozenset[int]:
    """The variables that an operator may write: ASSIGN_VARIABLE, SVDF, UNIDIRECTIONAL_SEQUENCE_LSTM."""
    return frozenset() if operator.name in READERS else touched(graph, operator)


def state_of(graph: Graph) -> tuple[int, ...]:
    """The variables that operators touch: what a model keeps between inferences, sorted."""
    return tuple(sorted({i for operator in graph.operators for i in touched(graph, operator)}))


def depends(graph: Graph) -> tuple[frozenset[int], ...]:
    """For each operator, the operators that must run before it: any order that keeps to this gives the same results.

    These are the operators that make its inputs and, where it touches variables, the operators before it in the
    file that touch one of them, too: a variable holds what was written last.
    """
    maker: dict[int, int] = {}
    users: dict[int, set[int]] = {}
    found = []
    for operator in graph.operators:
        before = {maker[i] for i in operator.inputs if i in maker}
        for variable in touched(graph, operator):
            before |= users.setdefault(variable, set())
            users[variable].add(operator.index)
        maker.update({i: operator.index for i in operator.outputs if not graph.tensors[i].variable})
        found.append(frozenset(before))
    return tuple(found)
