"""What a model's state holds at first, and what else may lie in it.

READ_VARIABLE and ASSIGN_VARIABLE are copies that can be left out: what is read stays in the variable, and what is
assigned is computed there, where no value is lost by that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tinyops.compiler.lowered import Call, Update, Write
from tinyops.graph import Graph


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


def keeps_values(graph: Graph, members: Mapping[int, int], calls: Sequence[Sequence[Call]]) -> bool:
    """Whether each tensor of a storage is there whenever an operator uses it, though a variable in it changes.

    `members` are its tensors and where in it each starts, `calls` what each operator does: a tensor that no call
    writes is there because it lies where its values are already. Replays two inferences, the second of which finds
    in the variable what the first left.
    """
    variables = {tensor for tensor in members if graph.tensors[tensor].variable}
    if not variables:
        return True
    there = set(variables)
    ends = {tensor: at + graph.tensors[tensor].bytes for tensor, at in members.items()}
    users = [o for o in graph.operators if not members.keys().isdisjoint((*o.inputs, *o.outputs))]
    for operator in (*users, *users):
        used = {tensor for tensor in operator.inputs if tensor in members}
        written = [span for call in calls[operator.index] for span in _written(graph, members, call)]
        updated = {a.tensor for call in calls[operator.index] for a in call.arguments if isinstance(a, Update)}
        over = {t for t, at in members.items() if any(at < end and start < ends[t] for start, end in written)}
        if not used <= there or (used - updated) & over:
            return False
        there = there - over | updated.intersection(members) | {t for t in operator.outputs if t in members}
    return True


def _written(graph: Graph, members: Mapping[int, int], call: Call) -> Iterator[tuple[int, int]]:
    """The bytes of a storage that a call writes."""
    for argument in call.arguments:
        if isinstance(argument, (Write, Update)) and argument.tensor in members:
            start, size = members[argument.tensor], graph.tensors[argument.tensor].bytes
            if call.share is not None and argument.tensor == call.share.whole:
                start, size = start + call.share.offset, graph.tensors[call.share.part].bytes
            yield start, start + size
