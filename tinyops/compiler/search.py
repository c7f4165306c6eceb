"""Exact search for offsets: branch and bound over the ways in which pairs of buffers may lie.

Every pair that meets has a choice: this below that, or that below this, each with a least difference of offsets. For
an arena of a given size each offset has a lowest and a highest value; a way that no longer fits is struck out, and a
way that is the only one left narrows its two offsets. What remains open is tried both ways.

Effort is counted in steps, not in seconds, so that every machine gives the same plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

# (low, high, gap): buffer `high` starts at least `gap` bytes after buffer `low` starts.
Difference: TypeAlias = tuple[int, int, int]
Option: TypeAlias = tuple[Difference, ...]
Choice: TypeAlias = tuple[Option, ...]

STEP_BYTES = 16
MOST_WORK = 50_000  # looks at a pair: about a tenth of a second


@dataclass(frozen=True)
class Problem:
    """Sizes of buffers in bytes, multiples of 16, and one choice for each pair that meets."""

    sizes: Sequence[int]
    choices: Sequence[Choice]

    def extent(self, offsets: Sequence[int]) -> int:
        return max((o + s for o, s in zip(offsets, self.sizes, strict=True)), default=0)


class _OutOfBudget(Exception):
    pass


def smallest(problem: Problem, bound: int, start: Sequence[int], effort: int = MOST_WORK) -> tuple[list[int], int]:
    """Offsets in as small an arena as the budget finds, from `start` on, and a bound below which none exists.

    The plan is the best there is where its size equals the bound.
    """
    best, proven = list(start), bound
    unlikely = bound  # below: not there, or too much work to tell
    work = _Work(effort)
    while unlikely < problem.extent(best):
        size = bound if unlikely == bound else _middle(unlikely, problem.extent(best))
        try:
            found = _fit(problem, size, work.share())
        except _OutOfBudget:
            unlikely = size + STEP_BYTES
            continue
        if found is not None:
            best = found
        else:
            unlikely = size + STEP_BYTES
            proven = max(proven, unlikely)
    return best, proven


def _middle(low: int, high: int) -> int:
    """A multiple of 16 from `low` up, below `high`."""
    return low + (high - low) // STEP_BYTES // 2 * STEP_BYTES if high - low > STEP_BYTES else low


class _Work:
    """Steps that are left; `share` gives each attempt a quarter of them."""

    def __init__(self, left: int) -> None:
        self.left = left

    def share(self) -> _Work:
        part = self.left // 4
        self.left -= part
        return _Work(part)

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise _OutOfBudget


def _fit(problem: Problem, size: int, work: _Work) -> list[int] | None:
    """Offsets within `size` bytes, or None when there are none. Raises _OutOfBudget."""
    high = [size - s for s in problem.sizes]
    if any(h < 0 for h in high):
        return None
    stack = [([0] * len(high), high, list(problem.choices))]
    while stack:
        low, high, choices = stack.pop()
        rest = _narrow(low, high, choices, work)
        if rest is None:
            continue
        work.take(len(rest))
        if all(_holds(choice, low) for choice in rest):
            return low
        open_ones = [c for c in rest if len(c) > 1 and not _holds(c, low)]
        chosen = max(open_ones, key=lambda c: sum(gap for option in c for _, _, gap in option))
        others = [c for c in rest if c is not chosen]
        roomiest_last = sorted(chosen, key=lambda o: _slack(o, low, high))  # which is tried first
        stack += [(low[:], high[:], [*others, (option,)]) for option in roomiest_last]
    return None


def _slack(option: Option, low: Sequence[int], high: Sequence[int]) -> int:
    return min(high[b] - low[a] - gap for a, b, gap in option)


def _holds(choice: Choice, offsets: Sequence[int]) -> bool:
    return any(all(offsets[b] >= offsets[a] + gap for a, b, gap in option) for option in choice)


def _narrow(low: list[int], high: list[int], choices: list[Choice], work: _Work) -> list[Choice] | None:
    """Narrows `low` and `high` in place until nothing changes; returns what is left open or must be kept."""
    changed = True
    while changed:
        changed = False
        work.take(len(choices))
        kept = []
        for choice in choices:
            fits = tuple(o for o in choice if all(low[a] + gap <= high[b] for a, b, gap in o))
            if not fits:
                return None
            if len(fits) == 1 and _apply(fits[0], low, high):
                changed = True
            if not any(all(high[a] + gap <= low[b] for a, b, gap in o) for o in fits):
                kept.append(fits)
        choices = kept
    return choices


def _apply(option: Option, low: list[int], high: list[int]) -> bool:
    changed = False
    for a, b, gap in option:
        if low[a] + gap > low[b]:
            low[b] = low[a] + gap
            changed = True
        if high[b] - gap < high[a]:
            high[a] = high[b] - gap
            changed = True
    return changed
