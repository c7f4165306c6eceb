"""A stretch's buffers for the memory planner: rows of lines, rows that are kept, counters, and what may overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tinyops.compiler.lowered import Lowered
from tinyops.compiler.memory import Buffer, Over
from tinyops.compiler.overlap import overlaps_of
from tinyops.compiler.rows.kernels import POINTWISE, Strip, params_of
from tinyops.compiler.rows.schedule import RowStep
from tinyops.compiler.rows.stretch import Line, Stretch

STATES = "counters of rows"


@dataclass(frozen=True)
class RowPlaces:
    """Offsets in the arena: counters, and for each tensor where its rows are worked on and where they are kept.

    Rows that stay where they are have -1 for the latter.
    """

    states: int
    lines: Mapping[int, tuple[int, int]]


def rows_name(tensor: int) -> str:
    return f"rows of tensor {tensor}"


def kept_name(tensor: int) -> str:
    return f"kept rows of tensor {tensor}"


def ranges_with(stretch: Stretch, ranges: Mapping[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """Live ranges of tensors when the stretch runs by rows; without those that never exist as a whole.

    A streamed input is one row, which is taken before anything runs.
    """
    done = dict(ranges)
    for line in stretch.between:
        del done[line.tensor]
    for source in stretch.sources:
        done[source] = (-1, -1) if stretch.streamed else (done[source][0], max(done[source][1], stretch.last))
    for output in stretch.outputs:
        done[output] = (min(stretch.begin, done[output][0]), done[output][1])
    return done


def row_buffers(stretch: Stretch, operators: int) -> Iterator[Buffer]:
    """`operators` is the number of the graph's operators: a streamed stretch counts rows until the last one is done."""
    until = operators if stretch.streamed else stretch.last
    yield Buffer(STATES, stretch.state_bytes, stretch.begin, until)
    if stretch.streamed:
        source = stretch.lines[0]
        yield Buffer(rows_name(source.tensor), source.room * source.row_bytes, -1, stretch.last)
    for line in stretch.between:
        first = next(s.operator for s in stretch.steps if s.output == line.tensor)
        last = next(s.operator for s in stretch.steps if line.tensor in s.closes)
        yield Buffer(rows_name(line.tensor), line.room * line.row_bytes, first, last)
        if line.kept:
            yield Buffer(kept_name(line.tensor), line.kept_bytes, stretch.begin, stretch.last)


def row_overs(
    stretch: Stretch, lowered: Sequence[Lowered], buffers: Mapping[str, Buffer], alone: Mapping[int, str]
) -> Iterator[Over]:
    """Which of a stretch's buffers may lie over others. `alone` are tensors that fill buffers of their own."""
    between = {line.tensor: line for line in stretch.between}
    for step in stretch.steps:
        if step.output in between:
            yield from _over_rows(stretch, step, between, lowered[step.operator])
    for output in stretch.outputs:
        for source in stretch.sources:
            if output in alone and source in alone and _may_follow(stretch, output, source):
                upon, below = buffers[alone[output]], buffers[alone[source]]
                if (upon.first, below.last) == (stretch.first, stretch.last):
                    yield _over_source(stretch, output, source, alone)


def _over_source(stretch: Stretch, output: int, source: int, alone: Mapping[int, str]) -> Over:
    """Rows of the output over rows of the source that no strip to come looks at."""
    upon, below = stretch.line(output).row_bytes, stretch.line(source).row_bytes
    ahead = stretch.played.ahead[output, source]
    distance = max(0, *(end * upon - needed * below for end, needed in ahead))
    steps = stretch.last - stretch.first + 1
    return Over(alone[output], alone[source], distance, movable=False, steps=steps)


def _may_follow(stretch: Stretch, output: int, source: int) -> bool:
    """An operator that reads the one and writes the other must not look at a row twice."""
    writer = next(step for step in stretch.steps if step.output == output)
    return source not in writer.inputs or writer.geometry == POINTWISE


def _over_rows(stretch: Stretch, step: RowStep, between: Mapping[int, Line], low: Lowered) -> Iterator[Over]:
    """In each of its strips, as the kernel allows; the rows that are kept come before those that it writes."""
    line, call = between[step.output], low.main
    assert call is not None  # else it had no geometry
    found: dict[int, list[tuple[int, int]]] = {}
    shapes = sorted(stretch.played.shapes.get(step.operator, ()))
    for shape in shapes:
        strip = replace(call, params=params_of(call, Strip(*shape), line.row_values))
        for overlap in overlaps_of(strip):
            found.setdefault(overlap.tensor, []).append((overlap.distance, overlap.step))
    for tensor, ways in found.items():
        if tensor in between and tensor in step.closes and len(ways) == len(shapes):
            distance = max(distance for distance, _ in ways) + line.kept_bytes
            yield Over(rows_name(step.output), rows_name(tensor), distance, ways[0][1], movable=False)


def places_of(stretch: Stretch, offsets: Mapping[str, int], whole: Mapping[int, int]) -> RowPlaces:
    """From the planner's offsets; `whole` are offsets of tensors that exist as a whole."""
    lines: dict[int, tuple[int, int]] = {}
    for line in stretch.lines:
        if line.is_whole:
            lines[line.tensor] = (whole[line.tensor], -1)
        else:
            rows = offsets[rows_name(line.tensor)]  # where nothing is kept, no place is looked at
            stays = line.tensor in stretch.sources
            lines[line.tensor] = (rows, -1 if stays else offsets.get(kept_name(line.tensor), rows))
    return RowPlaces(offsets[STATES], lines)
