"""Where each tensor lies in the arena.

The arena holds, each at a multiple of 16 bytes: the features' state and the variables (both kept between inferences),
the features' scratch (free but while a frame is pushed), the inputs side by side, the outputs side by side, scratch of
kernels, and activations wherever nothing else is live, or over an operator's input as far as its kernel allows.

The window of a model that is fed frames is its input tensor: rows are written there as they come. Those that are in the
next window as well are kept; over the others, the first, activations may lie once the input was read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import lcm

from tinyops.compiler.feature_code import FeatureMemory, feature_memory, used_bytes
from tinyops.compiler.lowered import Call, Kernel, Lowered, Place, Read, Write
from tinyops.compiler.memory import ALIGN_BYTES, Buffer, MemoryPlan, Over, aligned
from tinyops.compiler.moves import Layout, best_layout, moved_name
from tinyops.compiler.overlap import Overlap, overlaps_of
from tinyops.compiler.rows.memory import RowPlaces, places_of, ranges_with, row_buffers, row_overs
from tinyops.compiler.rows.stretch import Stretch
from tinyops.compiler.sharing import Owner, share_storage
from tinyops.features import Features, TensorFeatures
from tinyops.graph import Graph, Operator, live_ranges, state_of

STATE, VARIABLES, INPUTS = "state", "variables", "inputs"
PUSH, PUSH_SCRATCH = -2, "scratch of features"  # frames are pushed before step -1, in which the inputs are filled
MOVE_KERNEL = Kernel("kernels/move.c", ("tinyops/kernels/movement.h",))


@dataclass(frozen=True)
class Span:
    """A range of the arena, in bytes."""

    offset: int
    bytes: int


@dataclass(frozen=True)
class Arena:
    """The arena's plan. `tensors` maps a tensor that is computed to its place.

    `moved` maps an operator to the tensors that are copied to another place just before it, `scratch` an operator to
    where its kernels may write as they like.
    """

    plan: MemoryPlan
    buffers: tuple[Buffer, ...]
    overs: tuple[Over, ...]
    tensors: Mapping[int, Span]
    moved: Mapping[int, Mapping[int, Span]]
    scratch: Mapping[int, int]
    state: Span
    variables: Span
    push_scratch: Span
    inputs: Span
    outputs: Span
    rows: RowPlaces | None = None  # of the stretch that runs by rows, where there is one

    @property
    def bytes(self) -> int:
        return self.plan.arena_bytes

    def place(self, tensor: int, operator: int) -> Span:
        """Where an operator finds a tensor."""
        return self.moved.get(operator, {}).get(tensor, self.tensors[tensor])


def place_tensors(
    graph: Graph, lowered: Sequence[Lowered], features: Features, prefer: str = "balanced"
) -> tuple[tuple[Lowered, ...], Arena]:
    """The calls that remain once tensors share storage, and the arena's plan.

    Storage that holds parts of a tensor is kept as long as any of them; where copies make a smaller arena, there are
    copies, unless speed or size is preferred.
    """
    plans = []
    for parts in (True, False):
        storage = share_storage(graph, lowered, parts)
        plans.append((storage.lowered, plan_arena(graph, storage.lowered, storage.owner, features, prefer)))
        if not storage.has_parts or prefer in ("speed", "size"):
            break
    return min(plans, key=lambda plan: plan[1].bytes)


def plan_arena(
    graph: Graph,
    lowered: Sequence[Lowered],
    owner: Owner,
    features: Features,
    prefer: str = "balanced",
    stretch: Stretch | None = None,
) -> Arena:
    """Places every computed tensor, and the lines of a stretch that runs by rows.

    Raises nothing: a graph that was checked always has a plan.
    """
    drawn = draw_arena(graph, lowered, owner, features, stretch)
    groups, memory = drawn.groups, drawn.memory
    # Moves shrink what rows have shrunk already, if at all, and looking for them takes most of a compilation.
    layout = best_layout(drawn.buffers, drawn.overs, "size" if stretch else prefer)
    offsets = layout.plan.offsets
    spans = {
        tensor: Span(offsets[name] + inner, drawn.sizes[tensor])
        for name, group in groups.items()
        for tensor, inner in group[3].items()
    }
    state, inputs = Span(offsets.get(STATE, 0), memory.kept), _cover(graph.inputs, spans)
    return Arena(
        layout.plan,
        layout.buffers,
        layout.overs,
        spans,
        _moved(graph, layout, groups),
        {i: offsets[_scratch_name(graph.operators[i])] for i, low in enumerate(lowered) if low.scratch_bytes},
        state,
        _cover(state_of(graph), spans),
        Span(offsets.get(PUSH_SCRATCH, 0), memory.scratch),
        inputs,
        _cover(graph.outputs, spans),
        places_of(stretch, offsets, {t: span.offset for t, span in spans.items()}) if stretch else None,
    )


@dataclass(frozen=True)
class Drawn:
    """What there is to place: the features' memory, tensors by group and their `sizes` in bytes."""

    groups: Mapping[str, _Group]
    sizes: Mapping[int, int]
    memory: FeatureMemory
    buffers: tuple[Buffer, ...]
    overs: tuple[Over, ...]


def draw_arena(
    graph: Graph, lowered: Sequence[Lowered], owner: Owner, features: Features, stretch: Stretch | None
) -> Drawn:
    """The buffers that a plan must place, and which of them may overlap."""
    ranges, memory = live_ranges(graph), feature_memory(features)
    sizes = {tensor: graph.tensors[tensor].bytes for tensor in ranges}
    if stretch is not None:
        ranges = ranges_with(stretch, ranges)
        if stretch.streamed:  # the first line is what the features would keep
            memory, sizes[graph.inputs[0]] = FeatureMemory(), stretch.lines[0].row_bytes
    groups = _groups(graph, owner, ranges, sizes)
    whole = {n: Buffer(n, size, first, last) for n, (size, first, last, _) in groups.items()}
    if VARIABLES in whole:  # they outlive the pushing of frames
        whole[VARIABLES] = replace(whole[VARIABLES], first=PUSH)
    read_until = whole[INPUTS].last
    is_window = not isinstance(features, TensorFeatures) and memory.kept > 0
    used = used_bytes(features) if is_window and not isinstance(features, TensorFeatures) else 0
    if is_window:
        last = read_until if used >= whole[INPUTS].bytes else len(graph.operators)
        whole[INPUTS] = replace(whole[INPUTS], first=PUSH, last=last)
    buffers = [*whole.values()]
    for operator, low in zip(graph.operators, lowered, strict=True):
        if low.scratch_bytes:
            buffers.append(Buffer(_scratch_name(operator), low.scratch_bytes, operator.index, operator.index))
    buffers += [Buffer(STATE, memory.kept, PUSH, len(graph.operators))] if memory.kept else []
    buffers += [Buffer(PUSH_SCRATCH, memory.scratch, PUSH, PUSH)] if memory.scratch else []
    overs = [*_overs(graph, lowered, groups, whole)]
    if stretch is not None:
        buffers += row_buffers(stretch, len(graph.operators))
        overs += row_overs(stretch, lowered, {b.name: b for b in buffers}, _alone(groups, sizes))
    if is_window:
        overs += _over_window(whole[INPUTS], buffers, read_until, used)
    return Drawn(groups, sizes, memory, tuple(buffers), tuple(overs))


def _over_window(window: Buffer, buffers: Sequence[Buffer], read_until: int, used: int) -> Iterator[Over]:
    """What is not there before the window was read may end inside of its first `used` bytes."""
    for buffer in buffers:
        if read_until < buffer.first <= window.last:
            steps = window.last - buffer.first + 1
            yield Over(buffer.name, window.name, max(buffer.bytes - used, 0), movable=False, steps=steps)


def _alone(groups: Mapping[str, _Group], sizes: Mapping[int, int]) -> dict[int, str]:
    """Tensors that fill a buffer of their own, under one name or several."""
    return {
        tensor: name
        for name, (size, _, _, members) in groups.items()
        if all(at == 0 and sizes[member] == size for member, at in members.items())
        for tensor in members
    }


def with_moves(lowered: Sequence[Lowered], arena: Arena) -> tuple[Lowered, ...]:
    """The operators with the copies that the plan wants before them."""
    done = list(lowered)
    for index, moved in arena.moved.items():
        low = done[index]
        pairs = dict.fromkeys((arena.tensors[tensor], span) for tensor, span in moved.items())
        calls = tuple(_move(source, to) for source, to in pairs)
        done[index] = replace(low, calls=(*calls, *low.calls), more_kernels=(*low.more_kernels, MOVE_KERNEL))
    return tuple(done)


def _move(source: Span, to: Span) -> Call:
    params = {"blocks": aligned(source.bytes) // ALIGN_BYTES}
    return Call("tinyops_move", "tinyops_move_params", params, (Place(source.offset, False), Place(to.offset, True)))


def _moved(graph: Graph, layout: Layout, groups: Mapping[str, _Group]) -> dict[int, dict[int, Span]]:
    """Operator -> tensor -> where it is copied to."""
    found: dict[int, dict[int, Span]] = {}
    offsets = layout.plan.offsets
    for name in layout.moved:
        _, _, last, members = groups[name]
        if offsets[moved_name(name)] == offsets[name]:
            continue
        for tensor in members:  # a tensor may have several names, after reshapes
            if tensor in graph.operators[last].inputs:
                span = Span(offsets[moved_name(name)] + members[tensor], graph.tensors[tensor].bytes)
                found.setdefault(last, {})[tensor] = span
    return found


def _scratch_name(operator: Operator) -> str:
    return f"scratch of operator {operator.number}"


def _overs(
    graph: Graph, lowered: Sequence[Lowered], groups: Mapping[str, _Group], buffers: Mapping[str, Buffer]
) -> Iterator[Over]:
    """Which buffers may lie over others: an operator's output over an input that nothing needs later."""
    group_of = {tensor: name for name, group in groups.items() for tensor in group[3]}
    for operator, low in zip(graph.operators, lowered, strict=True):
        call = low.main
        if call is None:
            continue
        written = [a.tensor for a in call.arguments if isinstance(a, Write)]
        if len(written) != 1:
            continue
        upon = group_of.get(written[0])
        if upon is None:  # never there as a whole
            continue
        reads = Counter(group_of.get(a.tensor) for a in call.arguments if isinstance(a, Read))
        given: dict[str | None, list[Overlap]] = {}
        for overlap in overlaps_of(call):
            given.setdefault(group_of.get(overlap.tensor), []).append(overlap)
        for below, ways in given.items():
            if below is None or below == upon or len(ways) != reads[below]:  # a constant; not for every reading
                continue
            if buffers[upon].first == operator.index == buffers[below].last:
                yield from _over(Over(upon, below, None), ways, groups, written[0])


def _over(over: Over, ways: Sequence[Overlap], groups: Mapping[str, _Group], written: int) -> Iterator[Over]:
    """Between buffers what the kernel allows between tensors, which may lie inside of them."""
    below, step = groups[over.below][3], lcm(*(w.step for w in ways))
    inside = [below[w.tensor] - groups[over.upon][3][written] for w in ways]
    if all(at % step == 0 for at in inside):
        distance = max(w.distance - at for w, at in zip(ways, inside, strict=True))
        yield replace(over, distance=max(distance, 0), step=step, movable=not any(below.values()))


def _cover(tensors: Sequence[int], spans: Mapping[int, Span]) -> Span:
    if not tensors:
        return Span(0, 0)
    first, last = spans[tensors[0]], spans[tensors[-1]]
    return Span(first.offset, last.offset + last.bytes - first.offset)


_Group = tuple[int, int, int, dict[int, int]]  # bytes, first, last, tensor -> offset inside


def _groups(
    graph: Graph, owner: Owner, ranges: Mapping[int, tuple[int, int]], sizes: Mapping[int, int]
) -> dict[str, _Group]:
    """Buffers: all inputs together, all outputs, all variables, every other storage by itself."""
    places: dict[int, tuple[str, int]] = {}
    for name, tensors in ((INPUTS, graph.inputs), ("outputs", graph.outputs), (VARIABLES, state_of(graph))):
        offset = 0
        for tensor in tensors:
            if tensor not in places:  # an output that is an input stays where it is
                places[tensor] = (name, offset)
                offset = aligned(offset + sizes.get(tensor, 0))
    groups: dict[str, _Group] = {}
    for tensor, (first, last) in sorted(ranges.items()):
        root, inside = owner.get(tensor, (tensor, 0))
        name, start = places.get(root, (f"tensor {root}", 0))
        offset = start + inside
        size, since, until, members = groups.get(name, (0, first, last, {}))
        size = max(size, offset + sizes[tensor])
        groups[name] = (size, min(since, first), max(until, last), {**members, tensor: offset})
    return groups
