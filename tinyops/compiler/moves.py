"""Moves: copying a tensor inside the arena where that makes the arena smaller.

An output that lies over its input starts a little before it. In a chain of such operators each tensor slides further
down, and the arena holds the sum of all the steps. Copying one tensor back up in between costs some instructions a
byte once, and ends the sum. Works on buffers; the arena turns its choice into calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tinyops.compiler.memory import ALIGN_BYTES, Buffer, MemoryPlan, Over, lower_bound, plan_memory

MOST_CANDIDATES = 12
EFFORT = 10_000  # of each trial's search
WORTH_BYTES = 4 * ALIGN_BYTES  # smaller gains are not looked for
# Bytes that may be moved for one byte of arena, by preference. Absent: nothing is moved.
MOVED_PER_SAVED = {"balanced": 64, "ram": 1 << 20}


@dataclass(frozen=True)
class Layout:
    """Buffers as planned. `moved` names those that are copied to `moved_name` before their last step."""

    buffers: tuple[Buffer, ...]
    overs: tuple[Over, ...]
    plan: MemoryPlan
    moved: tuple[str, ...] = ()


def moved_name(name: str) -> str:
    return f"{name}, moved"


def best_layout(buffers: Sequence[Buffer], overs: Sequence[Over], prefer: str) -> Layout:
    """The plan without moves, or the one with the moves that are worth their instructions."""
    still = Layout(tuple(buffers), tuple(overs), plan_memory(buffers, overs))
    bound, price = lower_bound(buffers, overs), MOVED_PER_SAVED.get(prefer)
    if price is None or still.plan.arena_bytes - bound < WORTH_BYTES:
        return still
    named = {b.name: b for b in buffers}

    def cost(layout: Layout) -> float:
        return layout.plan.arena_bytes + sum(named[m].bytes for m in layout.moved) / price

    best = _with(buffers, overs, _candidates(named, overs))
    while best.moved:  # drop what helps least, as long as that makes it better
        fewer = [_with(buffers, overs, [m for m in best.moved if m != name]) for name in best.moved]
        next_best = min(fewer, key=cost)
        if cost(next_best) > cost(best):
            break
        best = next_best
    if not best.moved or cost(best) >= cost(still):
        return still
    plan = plan_memory(best.buffers, best.overs)
    return replace(best, plan=replace(plan, lower_bound=bound))


def _candidates(named: dict[str, Buffer], overs: Sequence[Over]) -> list[str]:
    """Buffers that something may be written over, the largest first."""
    names = {o.below for o in overs if o.distance is not None and o.movable}
    return sorted(names, key=lambda n: (-named[n].bytes, named[n].last, n))[:MOST_CANDIDATES]


def _with(buffers: Sequence[Buffer], overs: Sequence[Over], moved: Sequence[str]) -> Layout:
    """Each moved buffer gets a second one in its last step; what could lie over the first may lie over the second."""
    copies = [Buffer(moved_name(b.name), b.bytes, b.last, b.last) for b in buffers if b.name in moved]
    free = [Over(moved_name(name), name, None) for name in moved]
    free += [replace(o, distance=None, step=1) for o in overs if o.below in moved]
    kept = [replace(o, below=moved_name(o.below)) if o.below in moved else o for o in overs]
    both = (*buffers, *copies)
    return Layout(both, (*kept, *free), plan_memory(both, (*kept, *free), EFFORT), tuple(moved))
