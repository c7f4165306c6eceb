"""A stretch: neighbouring operators that run together, strip by strip of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyops.compiler.lowered import Lowered
from tinyops.compiler.rows.kernels import Geometry, geometry
from tinyops.compiler.rows.schedule import Played, RowStep, play
from tinyops.graph import Graph, live_ranges

STATE_BYTES = 8  # sizeof(tinyops_rows_state)


@dataclass(frozen=True)
class Line:
    """A tensor of a stretch, of which `room` rows exist while operators work on it and `kept` between two strips.

    A whole line has a place in the arena for all its rows, as any tensor that others read or wrote.
    """

    tensor: int
    height: int
    row_bytes: int
    row_values: int
    room: int
    kept: int
    is_whole: bool

    @property
    def kept_bytes(self) -> int:
        return self.kept * self.row_bytes


@dataclass(frozen=True)
class Stretch:
    """Operators `first` to `last` of a graph, by rows.

    `lines` come in the order sources, lines in between, outputs. Where `streamed`, the only source is the graph's
    input and its rows come one at a time.
    """

    steps: tuple[RowStep, ...]
    lines: tuple[Line, ...]
    sources: tuple[int, ...]
    outputs: tuple[int, ...]
    streamed: bool
    played: Played

    @property
    def streamed_rows(self) -> int:
        """Rows of the graph's input that come one at a time; 0 where it is there as a whole."""
        return self.lines[0].height if self.streamed else 0

    @property
    def first(self) -> int:
        return self.steps[0].operator

    @property
    def last(self) -> int:
        return self.steps[-1].operator

    @property
    def begin(self) -> int:
        """The first step in which rows that are kept exist."""
        return -1 if self.streamed else self.first

    @property
    def state_bytes(self) -> int:
        return STATE_BYTES * len(self.lines)

    def line(self, tensor: int) -> Line:
        return self.lines[self.number(tensor)]

    def number(self, tensor: int) -> int:
        return next(i for i, line in enumerate(self.lines) if line.tensor == tensor)

    def step(self, operator: int) -> RowStep | None:
        """What an operator does in a strip; None for those outside."""
        return self.steps[operator - self.first] if self.first <= operator <= self.last else None

    @property
    def between(self) -> tuple[Line, ...]:
        """Lines that nothing outside sees."""
        return self.lines[len(self.sources) : len(self.lines) - len(self.outputs)]


def geometries(graph: Graph, lowered: Sequence[Lowered]) -> dict[int, Geometry]:
    """Operators that can run by rows."""
    found = {op.index: geometry(graph, op, low) for op, low in zip(graph.operators, lowered, strict=True)}
    return {index: g for index, g in found.items() if g is not None}


def make_stretch(
    graph: Graph, known: Mapping[int, Geometry], first: int, last: int, rows: int, *, streamed: bool
) -> Stretch | None:
    """Operators `first` to `last`, `rows` rows of the outputs in a strip; None where that cannot be.

    `streamed`: the graph's input comes by rows; it must be what the first operator, and nothing else, reads.
    """
    members = [graph.operators[i] for i in range(first, last + 1)]
    if any(op.index not in known for op in members):
        return None
    made = [op.outputs[0] for op in members]
    read = {op.index: tuple(i for i in op.inputs if i is not None and graph.tensors[i].data is None) for op in members}
    ends = live_ranges(graph)
    sources = tuple(dict.fromkeys(t for op in members for t in read[op.index] if t not in made))
    twice = any(len(set(inputs)) < len(inputs) for inputs in read.values())
    outputs = tuple(t for t in made if ends[t][1] > last)
    unread = [t for t in made if ends[t][1] == ends[t][0]]
    if not outputs or unread or twice or (streamed and not _streams(graph, read, sources, first)):
        return None
    steps = _steps(known, read, dict(zip(read, made, strict=True)), rows)
    heights = {t: graph.tensors[t].shape[1] for t in (*sources, *made)}
    g = steps[0].geometry
    room = min(g.reach + (steps[0].most - 1) * g.stride, heights[sources[0]]) if streamed else None
    played = play(steps, heights, sources, outputs, room)
    if played is None:
        return None

    def line(tensor: int) -> Line:
        height = heights[tensor]
        row = (graph.tensors[tensor].bytes // height, graph.tensors[tensor].elements // height)
        if tensor in sources and room:
            return Line(tensor, height, *row, room, 0, is_whole=False)
        is_whole = tensor in sources or tensor in outputs
        rows, kept = (height, 0) if is_whole else (played.room[tensor], played.kept.get(tensor, 0))
        return Line(tensor, height, *row, rows, kept, is_whole)

    between = tuple(t for t in made if t not in outputs)
    lines = tuple(line(t) for t in (*sources, *between, *outputs))
    return Stretch(steps, lines, sources, outputs, streamed, played)


def _streams(graph: Graph, read: Mapping[int, tuple[int, ...]], sources: tuple[int, ...], first: int) -> bool:
    readers = [op.index for op in graph.operators if graph.inputs[0] in op.inputs]
    return first == 0 and graph.inputs == sources and readers == [0] and read[0] == sources


def _steps(
    known: Mapping[int, Geometry], read: Mapping[int, tuple[int, ...]], made: Mapping[int, int], rows: int
) -> tuple[RowStep, ...]:
    """Each operator makes as many rows in a strip as those that read them want."""
    most: dict[int, int] = {}
    for index in reversed(made):
        wanted = [
            most[other] * known[other].stride
            for other, inputs in read.items()
            if made[index] in inputs and other in most
        ]
        most[index] = max(wanted, default=rows)
    readers: dict[int, list[int]] = {}
    for index, inputs in read.items():
        for tensor in inputs:
            readers.setdefault(tensor, []).append(index)
    return tuple(
        RowStep(
            index,
            inputs,
            made[index],
            known[index],
            most[index],
            frozenset(t for t in inputs if readers[t][0] == index),
            frozenset(t for t in inputs if readers[t][-1] == index),
        )
        for index, inputs in read.items()
    )
