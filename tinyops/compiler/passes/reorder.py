"""The order of operators in which the fewest bytes are live at once.

States are sets of operators that have run. From each, every operator that may run next leads to another state and
needs some bytes while it runs; the search takes the state with the smallest peak so far until everything has run,
which is the smallest peak there is. An operator that leaves no more bytes behind than it found, within the peak so
far, runs at once: nothing is gained by waiting. So a chain costs one state an operator, and only branches are tried.

Effort is counted in looks, not in seconds. Where they run out, the file's order stays. What counts in the end is the
arena as the planner places it: see compiled.py.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tinyops.compiler.lowered import Lowered, Write
from tinyops.compiler.memory import aligned
from tinyops.compiler.overlap import overlaps_of
from tinyops.compiler.passes.kind import Applied
from tinyops.compiler.passes.ordering import ordered_pairs
from tinyops.compiler.sharing import Owner
from tinyops.graph import Graph

MOST_LOOKS = 100_000  # about a sixth of a second
NAME = "reorder"
SENTENCE = "operators run in the order that needs the smallest arena"


@dataclass(frozen=True)
class Storage:
    """Bytes, and the operators that write to it and use it at all, as sets of bits. `first`: it exists from the start,
    `last`: to the end."""

    bytes: int
    writers: int
    users: int
    first: bool
    last: bool


@dataclass(frozen=True)
class Step:
    """An operator: what must have run before it (bits), the storages that it uses, its scratch; and how many bytes
    of a storage that it starts may lie over one that it is the last to use."""

    needs: int
    storages: tuple[int, ...]
    scratch: int
    shared: Mapping[tuple[int, int], int]


@dataclass(frozen=True)
class Problem:
    steps: tuple[Step, ...]
    storages: tuple[Storage, ...]

    @property
    def all_done(self) -> int:
        return (1 << len(self.steps)) - 1

    def start_bytes(self) -> int:
        return sum(s.bytes for s in self.storages if s.first)

    def run(self, index: int, done: int, live: int) -> tuple[int, int]:
        """(bytes needed while an operator runs, bytes live behind it), from the bytes live before it."""
        step, after = self.steps[index], done | 1 << index
        started = [i for i in step.storages if not self.storages[i].first and not self.storages[i].writers & done]
        ended = [i for i in step.storages if not self.storages[i].last and not self.storages[i].users & ~after]
        needed = live + sum(self.storages[i].bytes for i in started)
        shared = max((step.shared.get((i, j), 0) for i in started for j in ended if i != j), default=0)
        return needed - shared + step.scratch, needed - sum(self.storages[i].bytes for i in ended)

    def needed(self) -> list[int]:
        """Bytes needed while each operator runs, in the order as it is."""
        done, live, found = 0, self.start_bytes(), []
        for index in range(len(self.steps)):
            needed, live = self.run(index, done, live)
            done |= 1 << index
            found.append(needed)
        return found

    def peak(self, order: Sequence[int]) -> int:
        """The most bytes needed at once, in an order."""
        done, live, peak = 0, self.start_bytes(), self.start_bytes()
        for index in order:
            needed, live = self.run(index, done, live)
            done, peak = done | 1 << index, max(peak, needed)
        return peak

    def least(self) -> int:
        """What no order can go below: each operator with its own storages alone."""
        return max((self._alone(step) for step in self.steps), default=0)

    def _alone(self, step: Step) -> int:
        return sum(self.storages[i].bytes for i in step.storages) + step.scratch - max(step.shared.values(), default=0)


def lowest_peak(problem: Problem, looks: int = MOST_LOOKS) -> tuple[int, ...] | None:
    """The order with the lowest peak; None where the looks do not suffice, or where none beats the order as it is."""
    given = problem.peak(range(len(problem.steps)))
    if given <= problem.least():
        return None
    start = problem.start_bytes()
    queue: list[tuple[int, int, tuple[int, ...], int, int]] = [(start, 0, (), 0, start)]
    seen = set()
    while queue:
        peak, _, order, done, live = heapq.heappop(queue)
        if done in seen:
            continue
        seen.add(done)
        if done == problem.all_done:
            return order
        for index, needed, behind in _next(problem, done, live, peak):
            looks -= 1
            after, top = done | 1 << index, max(peak, needed)
            if top < given and after not in seen:
                heapq.heappush(queue, (top, -len(order), (*order, index), after, behind))
        looks -= len(problem.steps) // 8
        if looks < 0:
            return None
    return None


def _next(problem: Problem, done: int, live: int, peak: int) -> list[tuple[int, int, int]]:
    """(operator, bytes while it runs, bytes behind it) of all that may run next, or of one that had better run now."""
    found = []
    for index, step in enumerate(problem.steps):
        if done >> index & 1 or step.needs & ~done:
            continue
        needed, behind = problem.run(index, done, live)
        if behind <= live and needed <= peak:
            return [(index, needed, behind)]
        found.append((index, needed, behind))
    return found


# -- graphs --------------------------------------------------------------------------------------


def better_order(graph: Graph, lowered: Sequence[Lowered], owner: Owner) -> tuple[int, ...] | None:
    """Operators by index in an order with a lower peak than the graph's, or None."""
    return lowest_peak(problem_of(graph, lowered, owner))


def in_order(graph: Graph, lowered: Sequence[Lowered], order: Sequence[int]) -> tuple[Graph, tuple[Lowered, ...]]:
    """The same operators, numbered anew; they keep the file's number."""
    operators = tuple(
        replace(graph.operators[old], index=new, origin=graph.operators[old].number) for new, old in enumerate(order)
    )
    return replace(graph, operators=operators), tuple(lowered[old] for old in order)


def applied(before: Graph, after: Graph) -> Applied:
    """What the report says: operators that run elsewhere in the order."""
    pairs = zip(before.operators, after.operators, strict=True)
    moved = tuple(f"{b.number} {b.name}" for a, b in pairs if a.number != b.number)
    return Applied(NAME, SENTENCE, moved=moved)


def problem_of(graph: Graph, lowered: Sequence[Lowered], owner: Owner) -> Problem:
    """Storages as the arena will have them: all inputs are one, all outputs are one."""
    homes = {tensor: _home(graph, owner, tensor) for tensor in _computed(graph)}
    names = list(dict.fromkeys(homes.values()))
    number = {name: i for i, name in enumerate(names)}
    storage_of = {tensor: number[home] for tensor, home in homes.items()}
    return Problem(
        tuple(_steps(graph, lowered, storage_of)),
        tuple(_storages(graph, owner, storage_of, len(names))),
    )


def _computed(graph: Graph) -> list[int]:
    """Tensors in the arena, in order."""
    made = [tensor for operator in graph.operators for tensor in operator.outputs]
    return list(dict.fromkeys([*graph.inputs, *made]))


def _home(graph: Graph, owner: Owner, tensor: int) -> int | str:
    root, _ = owner.get(tensor, (tensor, 0))
    return "inputs" if root in graph.inputs else "outputs" if root in graph.outputs else root


def _storages(graph: Graph, owner: Owner, storage_of: Mapping[int, int], count: int) -> Iterator[Storage]:
    extents: list[dict[int, int]] = [{} for _ in range(count)]  # root -> bytes; inputs and outputs have several
    writers, users = [0] * count, [0] * count
    for tensor, storage in storage_of.items():
        root, inside = owner.get(tensor, (tensor, 0))
        end = inside + graph.tensors[tensor].bytes
        extents[storage][root] = max(extents[storage].get(root, 0), end)
    for operator in graph.operators:
        bit = 1 << operator.index
        for tensor in operator.outputs:
            writers[storage_of[tensor]] |= bit
            users[storage_of[tensor]] |= bit
        for used in operator.inputs:
            if used is not None and used in storage_of:
                users[storage_of[used]] |= bit
    first, last = ({storage_of[tensor] for tensor in edge} for edge in (graph.inputs, graph.outputs))
    for i in range(count):
        yield Storage(sum(map(aligned, extents[i].values())), writers[i], users[i], i in first, i in last)


def _steps(graph: Graph, lowered: Sequence[Lowered], storage_of: Mapping[int, int]) -> Iterator[Step]:
    maker = {tensor: operator.index for operator in graph.operators for tensor in operator.outputs}
    needs = [0] * len(graph.operators)
    for before, after in ordered_pairs(graph):
        needs[after] |= 1 << before
    for operator, low in zip(graph.operators, lowered, strict=True):
        for used in operator.inputs:
            if used is not None and used in maker:
                needs[operator.index] |= 1 << maker[used]
        tensors = [t for t in (*operator.inputs, *operator.outputs) if t is not None and t in storage_of]
        storages = tuple(dict.fromkeys(storage_of[t] for t in tensors))
        yield Step(needs[operator.index], storages, aligned(low.scratch_bytes), _shared(graph, low, storage_of))


def _shared(graph: Graph, low: Lowered, storage_of: Mapping[int, int]) -> dict[tuple[int, int], int]:
    """(storage that is written, storage that is read) -> bytes that the two may have in common."""
    if low.main is None:
        return {}
    written = [a.tensor for a in low.main.arguments if isinstance(a, Write)]
    found = {}
    for overlap in overlaps_of(low.main):
        if len(written) != 1 or overlap.tensor not in storage_of:
            continue
        ahead, sizes = aligned(overlap.distance), [graph.tensors[t].bytes for t in (written[0], overlap.tensor)]
        common = max(min(aligned(sizes[0]) - ahead, aligned(sizes[1])), 0)
        found[storage_of[written[0]], storage_of[overlap.tensor]] = common
    return found
