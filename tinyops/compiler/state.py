"""Where a model's state lies, what it holds at first, and which copies between state and activations can go.

READ_VARIABLE and ASSIGN_VARIABLE are lowered to nothing: their output lies where their input lies, that is in the
variable. Where that would change a result they become copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinyops.compiler.lowered import Lowered
from tinyops.graph import Graph, Operator, changes, touched
from tinyops.graph.order import READERS


@dataclass(frozen=True)
class Fill:
    """Bytes of the arena that `tinyops_model_init` sets: to `value`, or to what variable `tensor` holds at first."""

    offset: int
    bytes: int
    value: int = 0
    tensor: int | None = None


def uniform(initial: bytes) -> bool:
    """Whether one value fills all of it."""
    return initial.count(initial[0]) == len(initial)


def fills(graph: Graph, spans: Sequence[tuple[int, int, int]]) -> tuple[Fill, ...]:
    """The fewest assignments that set variables, given as (tensor, offset, bytes): neighbours of one value together."""
    found: list[Fill] = []
    for tensor, offset, size in sorted(spans, key=lambda span: span[1]):
        initial = graph.tensors[tensor].initial
        assert initial is not None
        last = found[-1] if found else None
        if not uniform(initial):
            found.append(Fill(offset, size, tensor=tensor))
        elif last and last.tensor is None and last.value == initial[0]:
            found[-1] = Fill(last.offset, offset + size - last.offset, last.value)
        else:
            found.append(Fill(offset, size, initial[0]))
    return tuple(found)


def read_in_place(graph: Graph, lowered: Sequence[Lowered], operator: Operator, variable: int) -> bool:
    """Whether what an operator makes of a variable may stay in it: nothing writes the variable until its last use."""
    between = graph.operators[operator.index + 1 : _last_use(graph, lowered, operator) + 1]
    return not any(variable in changes(graph, later) for later in between)


def written_in_place(graph: Graph, lowered: Sequence[Lowered], operator: Operator) -> bool:
    """Whether what ASSIGN_VARIABLE assigns may be computed in the variable.

    That is so where an operator makes all of the value anew, after the last use of what the variable held, and nothing
    else writes the variable.
    """
    source, variable = operator.inputs[0], operator.outputs[0]
    maker = next((o for o in graph.operators[: operator.index] if source in o.outputs), None)
    if maker is None or not lowered[maker.index].calls:
        return False
    users = [o for o in graph.operators if variable in touched(graph, o) and o is not operator]
    return all(o.name in READERS and _last_use(graph, lowered, o) < maker.index for o in users)


def _last_use(graph: Graph, lowered: Sequence[Lowered], operator: Operator) -> int:
    """The last operator that uses an operator's output, under its own name or, where no bytes move, another."""
    names, last = set(operator.outputs), operator.index
    for later in graph.operators[operator.index + 1 :]:
        if names.intersection(later.inputs):
            last = later.index
            if not lowered[later.index].calls:
                names.update(later.outputs)
    return last
