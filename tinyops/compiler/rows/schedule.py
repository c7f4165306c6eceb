"""What runs when: the strips of a stretch of operators, played through once.

The rules are those of runtime/kernels/rows.c, number by number; from what happens here follows how much room each
line needs on the device.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tinyops.compiler.rows.kernels import Geometry

MOST_STRIPS = 4096  # more would spend more time on the strips than on their rows


@dataclass(frozen=True)
class RowStep:
    """One operator of a stretch: lines are tensors. `opens` and `closes` name the inputs that nothing reads before
    it, or after it, in a strip."""

    operator: int
    inputs: tuple[int, ...]
    output: int
    geometry: Geometry
    most: int
    opens: frozenset[int]
    closes: frozenset[int]


@dataclass(frozen=True)
class Played:
    """`room` and `kept`: the most rows of each line while operators work on it, and between two strips.

    `shapes` are the strips of each operator, and how often each comes. `ahead` maps (output, input) of whole lines to
    pairs: rows of the output that are written while that row of the input is the first that is still needed.
    """

    strips: int
    room: Mapping[int, int]
    kept: Mapping[int, int]
    shapes: Mapping[int, Mapping[tuple[int, int, int], int]]
    ahead: Mapping[tuple[int, int], frozenset[tuple[int, int]]]
    kept_rows: Mapping[int, int]  # in all strips together


@dataclass
class _State:
    """tinyops_rows_state."""

    height: int
    end: int = 0
    origin: int = 0
    needed: int = 0


@dataclass
class _Player:
    steps: Sequence[RowStep]
    states: dict[int, _State]
    whole: frozenset[int]
    room: dict[int, int] = field(default_factory=dict)
    kept: dict[int, int] = field(default_factory=dict)
    shapes: dict[int, Counter[tuple[int, int, int]]] = field(default_factory=dict)
    ahead: dict[tuple[int, int], set[tuple[int, int]]] = field(default_factory=dict)
    kept_rows: dict[int, int] = field(default_factory=dict)

    def run_step(self, step: RowStep) -> None:
        made = self.states[step.output]
        count = self.possible(step)
        top = made.end * step.geometry.stride - step.geometry.pad
        first = max(top, 0)
        is_done = made.end + count == made.height
        for line in step.inputs:
            held = self.states[line]
            following = held.end if is_done else max(top + count * step.geometry.stride, 0)
            needed = min(following, held.end)
            held.needed = needed if line in step.opens else min(held.needed, needed)
            if line in step.closes and line not in self.whole:
                held.origin = held.needed
                rows = held.end - held.needed
                self.kept[line] = max(self.kept.get(line, 0), rows)
                self.kept_rows[line] = self.kept_rows.get(line, 0) + rows
        if count:
            shape = (self.states[step.inputs[0]].end - first, count, first - top)
            self.shapes.setdefault(step.operator, Counter())[shape] += 1
        made.end += count
        self.room[step.output] = max(self.room.get(step.output, 0), made.end - made.origin)

    def possible(self, step: RowStep) -> int:
        done = self.states[step.output].end
        count = min(step.most, self.states[step.output].height - done)
        for line in step.inputs:
            held = self.states[line]
            if held.end < held.height:
                last = held.end + step.geometry.pad - step.geometry.reach
                count = min(count, 0 if last < 0 else last // step.geometry.stride + 1 - done)
        return max(count, 0)

    def run_strip(self, sources: Sequence[int], outputs: Sequence[int]) -> None:
        before = {source: self.states[source].needed for source in sources}
        for step in self.steps:
            self.run_step(step)
        last_reader = {line: i for i, step in enumerate(self.steps) for line in step.inputs}
        writer = {step.output: i for i, step in enumerate(self.steps)}
        for source in sources:
            for output in outputs:  # what is read later in the strip is needed while the output is written
                is_read = writer[output] >= last_reader[source]
                needed = self.states[source].needed if is_read else before[source]
                self.ahead.setdefault((output, source), set()).add((self.states[output].end, needed))


def play(
    steps: Sequence[RowStep],
    heights: Mapping[int, int],
    sources: Sequence[int],
    outputs: Sequence[int],
    streamed_room: int | None,
) -> Played | None:
    """Runs all strips. `sources` are there as a whole, unless `streamed_room` says how many rows of the only one fit.

    None where the strips do not come to an end as they should.
    """
    states = {line: _State(height) for line, height in heights.items()}
    for source in sources:
        states[source].end = 0 if streamed_room else states[source].height
    player = _Player(steps, states, frozenset((*sources, *outputs)))
    strips = 0
    for _ in _arrivals(states, sources, outputs, streamed_room):
        before = [s.end for s in states.values()]
        player.run_strip(sources, outputs)
        strips += 1
        if strips > MOST_STRIPS or before == [s.end for s in states.values()]:
            return None
    ahead = {pair: frozenset(found) for pair, found in player.ahead.items()}
    return Played(strips, player.room, player.kept, player.shapes, ahead, player.kept_rows)


def _arrivals(
    states: Mapping[int, _State], sources: Sequence[int], outputs: Sequence[int], streamed_room: int | None
) -> Iterator[None]:
    """Once for each strip; with rows that come from outside, a strip runs when their line is full."""
    while any(states[line].end < states[line].height for line in outputs):
        if streamed_room:
            source = states[sources[0]]
            source.end = min(source.height, source.needed + streamed_room)
        yield
