"""What passes share: who makes and who reads a tensor, and changing a graph in many places at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from tinyops.compiler.constraints import first_broken
from tinyops.compiler.view import OperatorView
from tinyops.graph import Graph, Operator, Tensor

MOST_SWEEPS = 64


@dataclass(frozen=True)
class Uses:
    """A graph with an index of its tensors' makers and readers."""

    graph: Graph
    maker: Mapping[int, Operator]
    readers: Mapping[int, tuple[Operator, ...]]

    @staticmethod
    def of(graph: Graph) -> Uses:
        readers: dict[int, dict[int, Operator]] = {}
        for operator in graph.operators:
            for used in operator.inputs:
                if used is not None:
                    readers.setdefault(used, {})[operator.index] = operator
        maker = {tensor: operator for operator in graph.operators for tensor in operator.outputs}
        return Uses(graph, maker, {tensor: tuple(found.values()) for tensor, found in readers.items()})

    def tensor(self, operator: Operator, position: int) -> Tensor | None:
        """An input, or None where there is none."""
        index = operator.inputs[position] if position < len(operator.inputs) else None
        return None if index is None else self.graph.tensors[index]

    def made_by(self, tensor: Tensor | None, *names: str) -> Operator | None:
        """The operator of one of these kinds that makes a tensor, as its only output."""
        found = None if tensor is None else self.maker.get(tensor.index)
        return found if found is not None and found.name in names and len(found.outputs) == 1 else None

    def only_for(self, tensor: int, reader: Operator) -> bool:
        """Whether one operator and nobody outside reads a tensor."""
        return self.readers.get(tensor) == (reader,) and tensor not in self.graph.outputs


@dataclass(frozen=True)
class Rewrite:
    """One change: operators that go, operators that become others (by index), tensors that become others."""

    drop: frozenset[int] = frozenset()
    change: Mapping[int, Operator] = field(default_factory=dict)
    tensors: Mapping[int, Tensor] = field(default_factory=dict)

    @property
    def touched(self) -> set[int]:
        return {*self.drop, *self.change}


Match = Callable[[Uses, Operator], Rewrite | None]


def rewritten(graph: Graph, rewrite: Rewrite) -> Graph:
    """The graph with a change; operators are numbered anew and keep the file's number."""
    tensors = tuple(rewrite.tensors.get(t.index, t) for t in graph.tensors) if rewrite.tensors else graph.tensors
    kept = [rewrite.change.get(o.index, o) for o in graph.operators if o.index not in rewrite.drop]
    operators = tuple(replace(o, index=index, origin=o.number) for index, o in enumerate(kept))
    return replace(graph, tensors=tensors, operators=operators)


def sweep(graph: Graph, match: Match) -> Graph:
    """Applies all matches that touch different operators, then looks again, until there is none.

    Each sweep makes one new graph, so that a long chain costs a few sweeps and not one for each operator.
    """
    for _ in range(MOST_SWEEPS):
        uses, touched = Uses.of(graph), set[int]()
        found: list[Rewrite] = []
        for operator in graph.operators:
            rewrite = match(uses, operator)
            if rewrite is not None and not rewrite.touched & touched:
                touched |= rewrite.touched
                found.append(rewrite)
        if not found:
            break
        graph = rewritten(graph, _together(found))
    return graph


def _together(rewrites: list[Rewrite]) -> Rewrite:
    drop = frozenset(index for r in rewrites for index in r.drop)
    change = {index: operator for r in rewrites for index, operator in r.change.items()}
    return Rewrite(drop, change, {index: tensor for r in rewrites for index, tensor in r.tensors.items()})


def bypass(uses: Uses, operator: Operator, to: int) -> Rewrite | None:
    """Without an operator whose only output is the same as tensor `to`: its readers read `to`.

    Where the output is the graph's, the maker of `to` writes it instead, if nobody else reads `to`.
    """
    (gone,) = operator.outputs
    if gone not in uses.graph.outputs:
        change = {r.index: replace(r, inputs=_renamed(r.inputs, gone, to)) for r in uses.readers.get(gone, ())}
        return Rewrite(frozenset({operator.index}), change)
    maker = uses.maker.get(to)
    if maker is None or not uses.only_for(to, operator) or uses.graph.tensors[to].shape != _shape(uses, gone):
        return None
    outputs = tuple(gone if tensor == to else tensor for tensor in maker.outputs)
    return Rewrite(frozenset({operator.index}), {maker.index: replace(maker, outputs=outputs)})


def _shape(uses: Uses, tensor: int) -> tuple[int, ...]:
    return uses.graph.tensors[tensor].shape


def _renamed(inputs: tuple[int | None, ...], old: int, new: int) -> tuple[int | None, ...]:
    return tuple(new if index == old else index for index in inputs)


def sound(graph: Graph, operator: Operator) -> bool:
    """Whether an operator is one that compiles: its kind is known and every limit holds."""
    from tinyops.compiler.ops import kind_of

    view = OperatorView(graph, operator)
    kind = kind_of(view)
    return kind is not None and first_broken(view, kind.constraints) is None


def integers(tensor: Tensor | None) -> list[int] | None:
    """Values of an integer constant; None for anything else."""
    if tensor is None or tensor.data is None or tensor.dtype not in ("int32", "int64"):
        return None
    from tinyops.compiler.constraints import integers_of

    return integers_of(tensor)


def pairs(tensor: Tensor | None, count: int) -> list[tuple[int, int]] | None:
    """Values of a constant (count, 2), none negative; None for anything else."""
    values = integers(tensor)
    if values is None or tensor is None or tensor.shape != (count, 2) or min(values, default=0) < 0:
        return None
    return list(_in_twos(values))


def _in_twos(values: list[int]) -> Iterator[tuple[int, int]]:
    return zip(values[::2], values[1::2], strict=True)
