"""Which operators run by rows, and how many rows at a time: candidates around the peak, their cost, a choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tinyops.compiler.arena import Arena, draw_arena, plan_arena
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.memory import lower_bound
from tinyops.compiler.options import CompileOptions
from tinyops.compiler.rows.cost import Cost, cost_of
from tinyops.compiler.rows.kernels import Geometry
from tinyops.compiler.rows.stretch import Stretch, geometries, make_stretch
from tinyops.compiler.sharing import Storage, share_storage
from tinyops.compiler.variants import predicted_instructions
from tinyops.errors import SpecError
from tinyops.features import Features, RawFeatures, TensorFeatures
from tinyops.graph import Graph, live_ranges

HEIGHTS = (2, 4, 8)  # rows of the output in a strip, beside 1
BEFORE, BEHIND = 8, 12  # operators before and behind the peak that are looked at
MOST_ENDS = 4  # stretches of which other heights are looked at
MOST_PLANS = 3  # of which a whole plan is made
# What `balanced` gives for memory: shares of the arena and of the instructions, bytes of flash.
WORTH_SHARE = 1 / 8
MOST_SLOWER = 0.02
MOST_FLASH_BYTES = 2048

STREAM_LIMIT = (
    "rows can be streamed into a model with one input (1, H, W, C) of bytes that one operator, the first, reads, where "
    "that and the next operators run by rows: CONV_2D, DEPTHWISE_CONV_2D, pooling, ADD, MUL, LOGISTIC"
)
FRAME_LIMIT = (
    "rows can be streamed from a sensor whose frames are the image's rows, a window being one image after another"
)

# Calls, where their tensors lie, and what runs by rows.
Choice: TypeAlias = tuple[tuple[Lowered, ...], Arena, Stretch | None]


@dataclass(frozen=True)
class Candidate:
    """A stretch, the fewest bytes that an arena with it can have, and what it costs."""

    stretch: Stretch
    bound: int
    cost: Cost


@dataclass(frozen=True)
class _Task:
    """What is compiled, with the storage that tensors share."""

    graph: Graph
    storage: Storage
    features: Features
    cpu: str
    known: Mapping[int, Geometry]

    def candidate(self, first: int, last: int, rows: int, *, streamed: bool) -> Candidate | None:
        stretch = make_stretch(self.graph, self.known, first, last, rows, streamed=streamed)
        if stretch is None or self._shares(stretch):
            return None
        lowered, owner = self.storage.lowered, self.storage.owner
        drawn = draw_arena(self.graph, lowered, owner, self.features, stretch)
        return Candidate(
            stretch, lower_bound(drawn.buffers, drawn.overs), cost_of(stretch, self.graph, lowered, self.cpu)
        )

    def _shares(self, stretch: Stretch) -> bool:
        """Whether an output lies where a source lies: its first rows would come before the source's last are read."""
        homes = [[self.storage.owner.get(t, (t, 0))[0] for t in ts] for ts in (stretch.sources, stretch.outputs)]
        return not set(homes[0]).isdisjoint(homes[1])

    def plan(self, stretch: Stretch) -> Choice:
        arena = plan_arena(self.graph, self.storage.lowered, self.storage.owner, self.features, stretch=stretch)
        return self.storage.lowered, arena, stretch


def choose_stretch(
    graph: Graph,
    lowered: Sequence[Lowered],
    features: Features,
    options: CompileOptions,
    whole: tuple[tuple[Lowered, ...], Arena],
) -> Choice:
    """What runs by rows, with its calls and its arena; `whole` are those without.

    Streamed where the options ask for it, or where they prefer RAM, a sensor frame is a row and `whole` takes more.
    Otherwise by what the options prefer, and in any case where the board's arena is too small for `whole`. Raises
    SpecError where rows are to be streamed into a model that cannot take them.
    """
    storage, as_whole = share_storage(graph, lowered), (*whole, None)
    task = _Task(graph, storage, features, options.cpu, geometries(graph, storage.lowered))
    if _can_stream(graph, features, options):
        found = _smallest(task, _candidates(task, streamed=True))
        if found is not None and (options.stream_rows or found[1].bytes < whole[1].bytes):
            return found
    if options.stream_rows:
        limit = (
            STREAM_LIMIT if isinstance(features, TensorFeatures) or _frames_are_rows(graph, features) else FRAME_LIMIT
        )
        raise SpecError(f"{graph.name}: {limit}", hint="leave --stream-rows away")
    room, before = options.arena_bytes, whole[1].bytes
    short = room is not None and before > room
    if not short and (options.prefer in ("size", "speed") or (room is None and options.prefer == "balanced")):
        return as_whole
    candidates = [c for c in _candidates(task, streamed=False) if c.bound < before]
    if not short and options.prefer == "balanced":
        instructions = sum(predicted_instructions(graph, low, options.cpu) for low in lowered)
        candidates = [c for c in candidates if _is_worth(c, before, instructions)]
    best = _cheapest(task, candidates, room) if short and room is not None else _smallest(task, candidates)
    return best if best is not None and best[1].bytes < before else as_whole


def _can_stream(graph: Graph, features: Features, options: CompileOptions) -> bool:
    """Asked for, or implied: the board's memory counts most and its sensor gives rows."""
    if isinstance(features, TensorFeatures):
        return options.stream_rows
    implied = options.prefer == "ram" and options.arena_bytes is not None
    return (options.stream_rows or implied) and _frames_are_rows(graph, features)


def _frames_are_rows(graph: Graph, features: Features) -> bool:
    """One window after the other, each an image, each frame one of its rows."""
    if not isinstance(features, RawFeatures):
        return False
    shape = graph.tensors[graph.inputs[0]].shape
    one_by_one = features.hop_frames == features.window_frames == (shape[1] if len(shape) == 4 else 0)
    return one_by_one and features.window_frames > 1


def _is_worth(candidate: Candidate, whole_bytes: int, instructions: float) -> bool:
    cost = candidate.cost
    cheap = cost.instructions <= MOST_SLOWER * instructions and cost.flash_bytes <= MOST_FLASH_BYTES
    return cheap and whole_bytes - candidate.bound >= WORTH_SHARE * whole_bytes


def _candidates(task: _Task, *, streamed: bool) -> list[Candidate]:
    """Stretches around the peak by rows of one, and the best of them by more rows."""
    found = list(_by_one(task, _peak(task.graph), streamed=streamed))
    ends = sorted(found, key=lambda c: (c.bound, c.cost.instructions))[:MOST_ENDS]
    more = (task.candidate(c.stretch.first, c.stretch.last, rows, streamed=streamed) for c in ends for rows in HEIGHTS)
    return [*found, *(c for c in more if c is not None)]


def _by_one(task: _Task, peak: int, *, streamed: bool) -> Iterator[Candidate]:
    firsts = (0,) if streamed else range(max(peak - BEFORE, 0), peak + 1)
    for first in firsts:
        for last in range(first + 1, min(peak + BEHIND, len(task.graph.operators))):
            if first not in task.known or last not in task.known:
                break
            found = task.candidate(first, last, 1, streamed=streamed) if last >= peak else None
            if found is not None:
                yield found


def _peak(graph: Graph) -> int:
    """The operator during which most bytes are live."""
    ranges = live_ranges(graph)

    def live(step: int) -> int:
        return sum(graph.tensors[t].bytes for t, (first, last) in ranges.items() if first <= step <= last)

    return max(range(len(graph.operators)), key=lambda step: (live(step), -step))


def _smallest(task: _Task, candidates: Sequence[Candidate]) -> Choice | None:
    """The one with the smallest arena; the bounds say which plans are worth making."""
    ordered = sorted(candidates, key=lambda c: (c.bound, c.cost.instructions, c.cost.flash_bytes))
    plans = [(c.cost.instructions, task.plan(c.stretch)) for c in ordered[:MOST_PLANS]]
    return min(plans, key=lambda p: (p[1][1].bytes, p[0]))[1] if plans else None


def _cheapest(task: _Task, candidates: Sequence[Candidate], limit: int) -> Choice | None:
    """The one with the fewest instructions of those that fit; where none does, the smallest."""
    fitting = sorted((c for c in candidates if c.bound <= limit), key=lambda c: (c.cost.instructions, c.bound))
    for candidate in fitting[: 2 * MOST_PLANS]:
        planned = task.plan(candidate.stretch)
        if planned[1].bytes <= limit:
            return planned
    return _smallest(task, candidates)
