"""What runs of operators cost on the boards of a chain: bounds at once, figures of the compiler where they may matter.

`Costs` is the `CostOf` of a search. A search over bounds finds the best cuts that there might be; what these need is
compiled then, and the search is made again. Bounds are never more than the figures, so what it ends with is the best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TypeAlias

from tinyops.artifacts import Progress
from tinyops.chains.settings import PartSettings, SplitSettings
from tinyops.compiler.effort import Arenas, Effort, Least, arenas_of, effort_of, least_of
from tinyops.compiler.options import CompileOptions
from tinyops.errors import SpecError
from tinyops.features import Features, TensorFeatures
from tinyops.graph import Graph, parse_graph
from tinyops.split import Cost, Cutter, Placement, stands_alone
from tinyops.split.boundaries import Boundary

Run: TypeAlias = tuple[int, int, int]  # part, first operator, the operator behind the last
Core: TypeAlias = tuple[str, int | None]  # cpu and arena: what a compilation depends on beside the run


@dataclass
class Costs:
    """Costs of one model over one chain. `bounds` and `figures` are what is known; they grow while it is asked."""

    data: bytes
    graph: Graph
    features: Features
    settings: SplitSettings
    positions: tuple[Boundary, ...]
    report: Callable[[Progress], None]
    made: dict[tuple[Core, int, int], Cost | None] = field(default_factory=dict)
    least: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)

    def __call__(self, part: int, begin: int, end: int) -> Cost | None:
        """The figures where they are known, else bounds; None for what is no part."""
        core = self._core(part)
        if (core, begin, end) in self.made:
            return self.made[core, begin, end]
        if not stands_alone(self.graph, self.positions, begin, end):
            return None
        return self._bound(part, begin, end)

    def compile_runs(self, runs: Iterable[Run]) -> int:
        """Compiles those that only have bounds so far; returns how many those were."""
        waiting = [run for run in dict.fromkeys(runs) if (self._core(run[0]), *run[1:]) not in self.made]
        for part, begin, end in waiting:
            settings = self.settings.parts[part]
            total = len(self.made) + len(waiting)
            what = f"operators {begin} to {end - 1} for {settings.board}"
            self.report(Progress(len(self.made), total, what))
            self.made[self._core(part), begin, end] = self._compile(part, begin, end)
        return len(waiting)

    @property
    def compiled(self) -> int:
        return len(self.made)

    def whole(self, part: int) -> tuple[Arenas, Effort] | None:
        """The model on this board alone; None where its core cannot run it."""
        options = self._options(self.settings.parts[part])
        try:
            return arenas_of(self.graph, self.features, options), effort_of(self.graph, self.features, options)
        except SpecError:
            return None

    def _core(self, part: int) -> Core:
        settings = self.settings.parts[part]
        return settings.cpu, settings.arena_bytes

    def _bound(self, part: int, begin: int, end: int) -> Cost:
        settings = self.settings.parts[part]
        weights, instructions = self._sums(settings.cpu)
        return Cost(weights[end] - weights[begin], self._ends(begin, end), instructions[end] - instructions[begin])

    def _ends(self, begin: int, end: int) -> int:
        """Inputs lie in the arena together, and so do outputs; frames may come in row by row."""
        before, after = self.positions[begin], self.positions[end]
        used = {i for operator in self.graph.operators[begin:end] for i in operator.inputs} if begin else set()
        taken = sum(size for i, size in zip(before.tensors, before.sizes, strict=True) if i in used)
        return max(taken, after.bytes - before.shared_bytes(after))

    def _sums(self, cpu: str) -> tuple[list[int], list[int]]:
        if cpu not in self.least:
            least: Least = least_of(self.graph, cpu)
            self.least[cpu] = tuple(list(accumulate(of, initial=0)) for of in (least.weights, least.instructions))  # type: ignore[assignment]
        return self.least[cpu]

    def _compile(self, part: int, begin: int, end: int) -> Cost | None:
        last = end == len(self.graph.operators)
        made = self.cutter.part(begin, end, first=begin == 0, last=last)
        assert made.data is not None  # a run has operators
        features = self.features if begin == 0 else TensorFeatures()
        try:
            graph = parse_graph(made.data, f"operators {begin} to {end - 1}")
            effort = effort_of(graph, features, self._options(self.settings.parts[part]))
        except SpecError:
            return None  # an operator, or a type at an end, that this core has no kernel for
        return Cost(effort.flash_bytes, effort.arena_bytes, effort.instructions)

    def _options(self, part: PartSettings) -> CompileOptions:
        return CompileOptions(part.cpu, self.settings.prefer, part.board, part.arena_bytes)

    @cached_property
    def cutter(self) -> Cutter:
        return Cutter(self.data, self.graph)


def runs_of(placements: Iterable[Placement], operators: int) -> Iterator[Run]:
    """Every part of some placements."""
    for placement in placements:
        for part, (begin, end) in enumerate(pairwise((0, *placement.cuts, operators))):
            yield part, begin, end
