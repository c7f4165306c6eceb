"""The arena, planned ahead of time: buffers with live ranges become offsets.

Knows nothing of graphs or C, so it can be printed and tested by itself. Offsets are multiples of 16.

Two buffers that are live in the same step share no byte, unless an `Over` says how far one may lie over the other.
Either rule is a choice between differences of offsets ("b starts at least 448 bytes above a"), which the greedy
placement here and the exact search in search.py both work on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import lcm

from tinyops.compiler.search import MOST_WORK, Choice, Problem, smallest

ALIGN_BYTES = 16
MANY_BUFFERS = 256  # beyond, one order is tried: the interpreter's, largest first
NOWHERE = (-(1 << 62), 1 << 62)  # before and behind every offset


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
class Over:
    """Buffer `upon`, written in the only step in which both are live, may lie over `below`, read in that step.

    It then starts at least `distance` bytes before `below`, by a multiple of `step` bytes where that is above 1.
    A distance of None allows any place. `movable`: `below` may be copied elsewhere before that step. Operators that
    run together by rows take several `steps`, in all of which both are live.
    """

    upon: str
    below: str
    distance: int | None
    step: int = 1
    movable: bool = True
    steps: int = 1


@dataclass(frozen=True)
class MemoryPlan:
    """Where each buffer lies. `lower_bound` is what any plan of these buffers needs at least, in bytes."""

    offsets: Mapping[str, int]
    arena_bytes: int
    lower_bound: int


def aligned(count: int, align: int = ALIGN_BYTES) -> int:
    return -(-count // align) * align


def plan_memory(buffers: Sequence[Buffer], overs: Sequence[Over] = (), effort: int = MOST_WORK) -> MemoryPlan:
    """Places buffers in the smallest arena that greedy orders and a bounded exact search find.

    Never more than the interpreter's planner needs, which is one of the orders. The same buffers give the same plan,
    in whatever order they come.
    """
    ordered = sorted(buffers, key=lambda b: b.name)
    allowed = {(o.upon, o.below): o for o in overs}
    orders = _ORDERS if len(ordered) <= MANY_BUFFERS else _ORDERS[:1]
    near = {b.name: [other for other in ordered if other is not b and other.meets(b)] for b in ordered}
    different = {tuple(b.name for b in found): found for found in (sorted(ordered, key=order) for order in orders)}
    greedy = [_place(order, near, a) for order in different.values() for a in ({}, allowed)]
    best = min(greedy, key=lambda found: _extent(ordered, found))
    bound = lower_bound(ordered, overs)
    problem = Problem([aligned(b.bytes) for b in ordered], list(_choices(ordered, allowed)))
    offsets, proven = smallest(problem, bound, [best[b.name] for b in ordered], effort)
    found = {b.name: offset for b, offset in zip(ordered, offsets, strict=True)}
    plan = MemoryPlan(found, _extent(ordered, found), proven)
    clashes = overlaps(ordered, plan, overs)
    assert not clashes, f"memory planner placed buffers over each other: {clashes}"
    return plan


def lower_bound(buffers: Sequence[Buffer], overs: Sequence[Over] = ()) -> int:
    """The most bytes that are live in one step, less what may be shared in it."""
    named = {b.name: b for b in buffers}
    savings: dict[str, dict[str, int]] = {}
    for over in overs:
        upon, below = named[over.upon], named[over.below]
        ahead = aligned(over.distance or 0)
        shared = max(min(aligned(below.bytes), aligned(upon.bytes) - ahead), 0)
        savings.setdefault(over.upon, {})[over.below] = shared

    def needed(step: int) -> int:
        live = {b.name: aligned(b.bytes) for b in buffers if b.first <= step <= b.last}
        shared = (min(size, sum(s for n, s in savings.get(b, {}).items() if n in live)) for b, size in live.items())
        return sum(live.values()) - sum(shared)

    return max((needed(step) for step in {b.first for b in buffers}), default=0)


def overlaps(buffers: Sequence[Buffer], plan: MemoryPlan, overs: Sequence[Over] = ()) -> list[tuple[str, str]]:
    """Pairs of buffers that are live together and share a byte that they may not, or leave the arena.

    None in a sound plan. Works on bytes and shares nothing with the planner, which it checks.
    """
    may = {(o.upon, o.below): o for o in overs}
    found = []
    for i, a in enumerate(buffers):
        start = plan.offsets[a.name]
        if start % ALIGN_BYTES or start < 0 or start + a.bytes > plan.arena_bytes:
            found.append((a.name, "arena"))
        for b in buffers[i + 1 :]:
            other = plan.offsets[b.name]
            meet = a.first <= b.last and b.first <= a.last
            share = start < other + b.bytes and other < start + a.bytes
            lawful = _lawful(a, b, other - start, may) or _lawful(b, a, start - other, may)
            if meet and share and not lawful:
                found.append((a.name, b.name))
    return found


def _lawful(upon: Buffer, below: Buffer, ahead: int, may: Mapping[tuple[str, str], Over]) -> bool:
    """Whether `upon`, which starts `ahead` bytes before `below`, may."""
    over = may.get((upon.name, below.name))
    if over is None or not 1 <= below.last - upon.first + 1 <= over.steps:
        return False
    return over.distance is None or (ahead >= over.distance and ahead % over.step == 0)


# -- choices -------------------------------------------------------------------------------------


def _choices(buffers: Sequence[Buffer], allowed: Mapping[tuple[str, str], Over]) -> Iterator[Choice]:
    """For each pair that meets: the ways in which it may lie, as differences (low, high, least difference)."""
    for i, a in enumerate(buffers):
        for j in range(i + 1, len(buffers)):
            choice = _choice((i, a), (j, buffers[j]), allowed) if a.meets(buffers[j]) else None
            if choice is not None:
                yield choice


def _choice(one: tuple[int, Buffer], two: tuple[int, Buffer], allowed: Mapping[tuple[str, str], Over]) -> Choice | None:
    """None where any places will do."""
    (i, a), (j, b) = one, two
    apart: Choice = (((i, j, aligned(a.bytes)),), ((j, i, aligned(b.bytes)),))
    over = allowed.get((a.name, b.name))
    if over is None:
        over = allowed.get((b.name, a.name))
        (i, a), (j, b) = two, one
    if over is None:
        return apart
    if over.distance is None:
        return None
    step = lcm(over.step, ALIGN_BYTES)
    ahead = aligned(over.distance, step)
    if ahead >= aligned(a.bytes):
        return apart
    if step == ALIGN_BYTES:  # a lies anywhere from `ahead` bytes before b downwards, or behind b
        return ((i, j, ahead),), ((j, i, aligned(b.bytes)),)
    return ((i, j, ahead), (j, i, -ahead)), *apart


# -- greedy --------------------------------------------------------------------------------------

_ORDERS: tuple[Callable[[Buffer], tuple[int, int, int, str]], ...] = (
    lambda b: (-b.bytes, b.first, b.last, b.name),
    lambda b: (-b.bytes * (b.last - b.first + 1), -b.bytes, b.first, b.name),
    lambda b: (b.first - b.last, -b.bytes, b.first, b.name),
    lambda b: (b.first, -b.bytes, b.last, b.name),
    lambda b: (-b.last, -b.bytes, b.first, b.name),
)


def _extent(buffers: Sequence[Buffer], offsets: Mapping[str, int]) -> int:
    return max((offsets[b.name] + aligned(b.bytes) for b in buffers), default=0)


def _place(
    order: Iterable[Buffer], near: Mapping[str, Sequence[Buffer]], allowed: Mapping[tuple[str, str], Over]
) -> dict[str, int]:
    """Each buffer at the lowest offset that is free. `near` are those that it meets."""
    placed: dict[str, int] = {}
    for buffer in order:
        others = [b for b in near[buffer.name] if b.name in placed]
        choices = [(placed[b.name], c) for b in others if (c := _choice((0, b), (1, buffer), allowed))]
        placed[buffer.name] = _lowest(choices)
    return placed


def _lowest(choices: Sequence[tuple[int, Choice]]) -> int:
    """Lowest offset of buffer 1 that agrees with each buffer 0 at its offset."""
    lowest = 0
    for below, above in sorted(gap for offset, choice in choices for gap in _gaps(offset, choice)):
        if below < lowest < above:
            lowest = above
    return lowest


def _gaps(offset: int, choice: Choice) -> Iterator[tuple[int, int]]:
    """Pairs of offsets of buffer 1 between which none agrees with buffer 0 at `offset`."""
    allowed = []
    for option in choice:
        least = max((offset + gap for low, _, gap in option if low == 0), default=NOWHERE[0])
        most = min((offset - gap for low, _, gap in option if low == 1), default=NOWHERE[1])
        if least <= most:
            allowed.append((least, most))
    reached = NOWHERE[0]
    for least, most in sorted(allowed):
        if least > reached:
            yield reached, least
        reached = max(reached, most)
