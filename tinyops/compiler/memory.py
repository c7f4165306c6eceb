"""The arena, planned ahead of time: buffers with live ranges become offsets.

Knows nothing of graphs or C, so it can be printed and tested by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

ALIGN_BYTES = 16


@dataclass(frozen=True)
class Buffer:
    """Bytes that must exist from step `first` to step `last`, both included."""

    name: str
    bytes: int
    first: int
    last: int

    def meets(self, other: Buffer) -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class MemoryPlan:
    """Where each buffer lies. `lower_bound` is what any plan of these buffers needs at least, in bytes."""

    offsets: Mapping[str, int]
    arena_bytes: int
    lower_bound: int


def aligned(count: int, align: int = ALIGN_BYTES) -> int:
    return -(-count // align) * align


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """The most bytes that are live in one step."""
    steps = {b.first for b in buffers}
    return max((sum(aligned(b.bytes) for b in buffers if b.first <= s <= b.last) for s in steps), default=0)


_ORDERS: tuple[Callable[[Buffer], tuple[int, int, int, str]], ...] = (
    lambda b: (-b.bytes, b.first, b.last, b.name),
    lambda b: (-b.bytes * (b.last - b.first + 1), -b.bytes, b.first, b.name),
    lambda b: (b.first - b.last, -b.bytes, b.first, b.name),
    lambda b: (b.first, -b.bytes, b.last, b.name),
)


def plan_memory(buffers: Sequence[Buffer]) -> MemoryPlan:
    """Places buffers so that no two that are live together share a byte; offsets are multiples of 16.

    Each order is tried greedily (every buffer goes into the tightest gap that holds it); the best wins.
    """
    plans = [_place(sorted(buffers, key=order)) for order in _ORDERS]
    best = min(plans, key=lambda plan: plan[1])
    plan = MemoryPlan(best[0], best[1], lower_bound(buffers))
    clashes = overlaps(buffers, plan)
    assert not clashes, f"memory planner placed buffers over each other: {clashes}"
    return plan


def overlaps(buffers: Sequence[Buffer], plan: MemoryPlan) -> list[tuple[str, str]]:
    """Pairs of buffers that are live together and share a byte, or leave the arena: none in a sound plan."""
    found = []
    for i, a in enumerate(buffers):
        start = plan.offsets[a.name]
        if start % ALIGN_BYTES or start < 0 or start + a.bytes > plan.arena_bytes:
            found.append((a.name, "arena"))
        for b in buffers[i + 1 :]:
            other = plan.offsets[b.name]
            if a.meets(b) and start < other + b.bytes and other < start + a.bytes:
                found.append((a.name, b.name))
    return found


def _place(order: Iterable[Buffer]) -> tuple[dict[str, int], int]:
    placed: list[tuple[int, Buffer]] = []
    for buffer in order:
        taken = sorted((o, o + aligned(b.bytes)) for o, b in placed if b.meets(buffer))
        placed.append((_best_gap(taken, aligned(buffer.bytes)), buffer))
    size = max((offset + aligned(b.bytes) for offset, b in placed), default=0)
    return {b.name: offset for offset, b in placed}, size


def _best_gap(taken: Sequence[tuple[int, int]], size: int) -> int:
    """Start of the smallest gap between taken ranges that holds `size`, else the end of them all."""
    best: tuple[int, int] | None = None
    end = 0
    for start, stop in taken:
        gap = start - end
        if gap >= size and (best is None or gap < best[0]):
            best = (gap, end)
        end = max(end, stop)
    return end if best is None else best[1]
