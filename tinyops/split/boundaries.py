"""Where a graph may be cut, and what crosses each cut.

A cut at position k lies before operator k: operators 0 to k - 1 run before it, the others after it. What crosses it
are the tensors that exist by then and are needed afterwards. A part therefore sends on what it did not make itself,
too, when a later part needs it: what a link carries follows from its cut alone (docs/decisions/0095).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from tinyops.errors import SpecError
from tinyops.graph import Graph, live_ranges, state_of, touched


@dataclass(frozen=True)
class Boundary:
    """One position between operators. `tensors` cross it, ordered by index, of so many bytes each.

    `refused` says why no cut may be here.
    """

    at: int
    tensors: tuple[int, ...]
    sizes: tuple[int, ...]
    refused: str = ""

    @cached_property
    def bytes(self) -> int:
        return sum(self.sizes)

    @cached_property
    def members(self) -> frozenset[int]:
        return frozenset(self.tensors)

    def shared_bytes(self, other: Boundary) -> int:
        """Bytes of what crosses both: a part between them holds it, to send it on."""
        return sum(size for tensor, size in zip(self.tensors, self.sizes, strict=True) if tensor in other.members)


def boundaries(graph: Graph) -> tuple[Boundary, ...]:
    """Every position from 0 (before the first operator) to their number (after the last), in the graph's order.

    Constants never cross: each part has those it uses. Inputs cross until their last use, outputs up to the end, for
    the last part answers.
    """
    positions = len(graph.operators) + 1
    crossing: list[list[int]] = [[] for _ in range(positions)]
    state = frozenset(state_of(graph))
    for tensor, (first, last) in sorted(live_ranges(graph).items()):
        if tensor not in state:
            for at in range(first + 1, last + 1):
                crossing[at].append(tensor)
    refused = _torn(graph, positions)
    for at in range(1, positions - 1):
        refused[at] = refused[at] or ("" if crossing[at] else "nothing that is computed before it is used after it")
    sizes = [tuple(graph.tensors[i].bytes for i in tensors) for tensors in crossing]
    return tuple(Boundary(at, tuple(crossing[at]), sizes[at], refused[at]) for at in range(positions))


def stands_alone(graph: Graph, positions: Sequence[Boundary], begin: int, end: int) -> bool:
    """Whether operators begin to end - 1 can be a file: they use something that comes, and make something that is sent.

    What only changes variables, or computes with constants and variables, belongs to another part. A `CostOf` answers
    None for it.
    """
    used = {i for operator in graph.operators[begin:end] for i in operator.inputs}
    first = begin == 0  # its inputs are the model's
    return (first or bool(used & positions[begin].members)) and bool(positions[end].members - positions[begin].members)


def _torn(graph: Graph, positions: int) -> list[str]:
    """For each position, the variable that a cut there would tear apart: what it holds lives on one board."""
    users: dict[int, list[int]] = {}
    for place, operator in enumerate(graph.operators):
        for variable in touched(graph, operator):
            users.setdefault(variable, []).append(place)
    found = [""] * positions
    for variable, places in sorted(users.items()):
        first, last = graph.operators[places[0]], graph.operators[places[-1]]
        for at in range(places[0] + 1, places[-1] + 1):
            found[at] = found[at] or f"{first} and {last} share the variable {graph.tensors[variable]}"
    return found


def check_cuts(
    positions: Sequence[Boundary], cuts: Sequence[int], wanted: int, *, allow_empty: bool = False
) -> tuple[int, ...]:
    """Where parts end, with 0 before the first. Raises SpecError for cuts that cannot be."""
    last = len(positions) - 1
    ends = (0, *cuts, last)
    if len(cuts) != wanted:
        raise SpecError(f"{len(cuts)} cuts for {wanted + 1} parts", hint="give one cut for each link")
    if any(after - before < (not allow_empty) for before, after in pairwise(ends)):
        raise SpecError(
            f"cuts {list(cuts)} of {last} operators: they must rise, and no part may be empty",
            hint=f"a cut is the number of the first operator after it, 1 to {last - 1}",
        )
    for cut in cuts:
        if positions[cut].refused:
            raise SpecError(f"no cut at {cut}: {positions[cut].refused}")
    return ends
