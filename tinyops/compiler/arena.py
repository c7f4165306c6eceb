"""Which tensors share storage, and where each lies in the arena.

The arena holds, each at a multiple of 16 bytes: the features' state (kept between inferences), the
inputs side by side, the outputs side by side, and activations wherever nothing else is live.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyops.compiler.lowered import Lowered
from tinyops.compiler.lowering import copy_call
from tinyops.compiler.memory import Buffer, MemoryPlan, aligned, plan_memory
from tinyops.features import Features, RawFeatures
from tinyops.graph import Graph, live_ranges

RAW_STATE_BYTES = 16  # sizeof(tinyops_raw_state)
STATE = "state"


@dataclass(frozen=True)
class Span:
    """A range of the arena, in bytes."""

    offset: int
    bytes: int


@dataclass(frozen=True)
class Arena:
    """The arena's plan. `tensors` maps a tensor that is computed to its place."""

    plan: MemoryPlan
    buffers: tuple[Buffer, ...]
    tensors: Mapping[int, Span]
    state: Span
    inputs: Span
    outputs: Span

    @property
    def bytes(self) -> int:
        return self.plan.arena_bytes


def state_bytes(features: Features) -> int:
    return RAW_STATE_BYTES + features.window_values if isinstance(features, RawFeatures) else 0


def share_storage(graph: Graph, lowered: Sequence[Lowered]) -> tuple[dict[int, int], tuple[Lowered, ...]]:
    """Tensor -> tensor whose storage it uses, for operators that move no bytes.

    Such an operator becomes a copy where its input is a constant, or where the graph's inputs and outputs pin both
    sides to different places.
    """
    owner: dict[int, int] = {}
    pinned = {*graph.inputs, *graph.outputs}
    done = list(lowered)
    for operator in graph.operators:
        if lowered[operator.index].calls:
            continue
        source, output = operator.inputs[0], operator.outputs[0]
        assert source is not None
        root = owner.get(source, source)
        both_pinned = output in graph.outputs and root in pinned
        if graph.tensors[source].data is not None or both_pinned:
            done[operator.index] = copy_call(graph.tensors[source], graph.tensors[output])
            continue
        if output in graph.outputs:  # the output's place decides; everything else follows
            owner.update({t: output for t, r in owner.items() if r == root} | {root: output})
        else:
            owner[output] = root
    return owner, tuple(done)


def plan_arena(graph: Graph, owner: Mapping[int, int], features: Features) -> Arena:
    """Places every computed tensor. Raises nothing: a graph that was checked always has a plan."""
    ranges = live_ranges(graph)
    groups = _groups(graph, owner, ranges)
    end = len(graph.operators)
    buffers = [Buffer(name, size, first, last) for name, (size, first, last, _) in groups.items()]
    kept = state_bytes(features)
    if kept:
        buffers.append(Buffer(STATE, kept, -1, end))
    plan = plan_memory(buffers)
    spans: dict[int, Span] = {}
    for name, (_, _, _, members) in groups.items():
        for tensor, inner in members.items():
            spans[tensor] = Span(plan.offsets[name] + inner, graph.tensors[tensor].bytes)
    return Arena(
        plan,
        tuple(buffers),
        spans,
        Span(plan.offsets.get(STATE, 0), kept),
        _cover(graph.inputs, spans),
        _cover(graph.outputs, spans),
    )


def _cover(tensors: Sequence[int], spans: Mapping[int, Span]) -> Span:
    first, last = spans[tensors[0]], spans[tensors[-1]]
    return Span(first.offset, last.offset + last.bytes - first.offset)


_Group = tuple[int, int, int, dict[int, int]]  # bytes, first, last, tensor -> offset inside


def _groups(graph: Graph, owner: Mapping[int, int], ranges: Mapping[int, tuple[int, int]]) -> dict[str, _Group]:
    """Buffers: all inputs together, all outputs together, every other storage by itself."""
    places: dict[int, tuple[str, int]] = {}
    for name, tensors in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        offset = 0
        for tensor in tensors:
            if tensor not in places:  # an output that is an input stays where it is
                places[tensor] = (name, offset)
                offset = aligned(offset + graph.tensors[tensor].bytes)
    groups: dict[str, _Group] = {}
    for tensor, (first, last) in sorted(ranges.items()):
        root = owner.get(tensor, tensor)
        name, offset = places.get(root, (f"tensor {root}", 0))
        size, since, until, members = groups.get(name, (0, first, last, {}))
        size = max(size, offset + graph.tensors[tensor].bytes)
        groups[name] = (size, min(since, first), max(until, last), {**members, tensor: offset})
    return groups
