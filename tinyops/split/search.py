"""The best cuts under all budgets, exactly: dynamic programming over (operators done, parts used).

A label is a way to have run the first operators on the first parts. At each state those labels are kept that fewer than
`keep` others beat in everything that can still matter; whatever follows, the others then stay ahead, so the best and
the next best are never lost. What cannot reach the end within the budgets, as a pass from the end tells, is not begun.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from tinyops.split.placement import Objective, Placement, Problem, Shortage, place, share_units, shortages

_Aim: TypeAlias = Objective | Literal["short"]


@dataclass(frozen=True)
class Found:
    """Placements that fit, the best first. Where there is none, the nearest and what it is short of.

    `nearest` misses the fewest bytes of flash and RAM, taken together; where none is missed, the fewest nanoseconds or
    bytes of radio. It is None where there is nothing to place: `reason` says why. `states` were reached, `labels` made.
    """

    placements: tuple[Placement, ...]
    nearest: Placement | None = None
    shortages: tuple[Shortage, ...] = ()
    reason: str = ""
    states: int = 0
    labels: int = 0


class _Step(NamedTuple):
    """What one part adds: operators of a run, on its board, and the link behind it."""

    ns: int
    radio: int
    sent: int
    share: int
    short: int


class _Label(NamedTuple):
    """Ordered: what is minimised, then bytes on all links, then cuts. The rest is what budgets of the whole count."""

    value: int
    sent: int
    cuts: tuple[int, ...]
    ns: int
    radio: int


def search(problem: Problem) -> Found:
    """The `keep` best placements of a problem, or the nearest to one."""
    least = 0 if problem.wish.allow_empty else 1
    if problem.operators < least * len(problem.chain.parts):
        what = f"{problem.operators} operators cannot fill {len(problem.chain.parts)} parts"
        return Found((), reason=what)
    steps = _Steps(problem)
    fitting = _Pass(problem, steps.fitting, problem.wish.minimise)
    best = fitting.best(problem.wish.keep)
    if best:
        found = tuple(place(problem, label.cuts) for label in best)
        return Found(found, states=fitting.states, labels=fitting.labels)
    return _nearest(problem, steps)


def _nearest(problem: Problem, steps: _Steps) -> Found:
    """The fewest bytes short of flash and RAM; without any, the least of what the wish bounds."""
    tried = _Pass(problem, steps.any, "short", capped=False)
    best = tried.best(1)
    if not best:
        return Found((), reason=_nowhere(problem), states=tried.states, labels=tried.labels)
    if not best[0].value:
        bounded: Objective = "radio" if problem.wish.at_most_ns is None else "latency"
        best = _Pass(problem, steps.fitting, bounded, capped=False).best(1)
    placement = place(problem, best[0].cuts)
    missed = shortages(placement, problem.wish)
    return Found((), placement, missed, states=tried.states, labels=tried.labels)


def _nowhere(problem: Problem) -> str:
    """Why no cuts at all are possible, budgets aside."""
    least = 0 if problem.wish.allow_empty else 1
    open_cuts = sum(not p.refused for p in problem.positions[1:-1])
    if least and open_cuts < len(problem.chain.links):
        refused = next(p for p in problem.positions if p.refused)
        return f"{open_cuts} places for {len(problem.chain.links)} cuts; none at {refused.at}: {refused.refused}"
    boards = ", ".join(sorted({part.board for part in problem.chain.parts}))
    return f"no cuts leave each board ({boards}) operators that it can run"


class _Steps:
    """Every run of operators on every part, costed once."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.units = share_units(problem.chain)
        self.links = [self.link(part) for part in range(len(problem.chain.links))]
        self.made: dict[tuple[int, int, int], _Step | None] = {}

    def link(self, part: int) -> list[tuple[int, int, int]]:
        """Time, radio bytes and bytes of the link behind a part, for a cut at each position."""
        link = self.problem.chain.links[part]
        found = []
        for position in self.problem.positions:
            sent = link.sent_bytes(position.bytes)
            found.append((link.time_ns(sent), sent if link.radio else 0, sent))
        return found

    def any(self, part: int, begin: int, end: int) -> _Step | None:
        """The step, whether or not it fits; None where its board cannot run it."""
        key = (part, begin, end)
        if key not in self.made:
            self.made[key] = self.step(part, begin, end)
        return self.made[key]

    def fitting(self, part: int, begin: int, end: int) -> _Step | None:
        step = self.any(part, begin, end)
        return step if step is not None and not step.short else None

    def step(self, part: int, begin: int, end: int) -> _Step | None:
        cost, budget = self.problem.cost(part, begin, end), self.problem.chain.parts[part]
        if cost is None:
            return None
        ns, radio, sent = self.links[part][end] if part < len(self.links) else (0, 0, 0)
        short = max(0, cost.flash_bytes - budget.flash_bytes) + max(0, cost.arena_bytes - budget.ram_bytes)
        share = cost.arena_bytes * self.units[part]
        return _Step(ns + budget.time_ns(cost.instructions), radio, sent, share, short)


class _Pass:
    """One search, for the objective of a wish or for `short`: bytes of flash and RAM missed by all parts together."""

    def __init__(
        self,
        problem: Problem,
        choice: Callable[[int, int, int], _Step | None],
        objective: _Aim,
        *,
        capped: bool = True,
    ) -> None:
        self.problem, self.choice, self.objective = problem, choice, objective
        self.parts, self.end = len(problem.chain.parts), problem.operators
        self.least = 0 if problem.wish.allow_empty else 1
        self.at_most_ns = problem.wish.at_most_ns if capped else None
        self.at_most_radio = problem.wish.at_most_radio_bytes if capped else None
        self.states = self.labels = 0
        self.to_go = self.backwards()

    # -- from the end ------------------------------------------------------------------------------

    def backwards(self) -> list[list[tuple[int, int] | None]]:
        """For each (parts used, operators done): the least time and the least radio bytes to the end, None: no way."""
        table: list[list[tuple[int, int] | None]] = [[None] * (self.end + 1) for _ in range(self.parts + 1)]
        table[self.parts][self.end] = (0, 0)
        for part in reversed(range(self.parts)):
            for begin in self.begins(part):
                for end, step in self.ways(part, begin, table[part + 1]):
                    after, before = table[part + 1][end], table[part][begin]
                    assert after is not None
                    here = (step.ns + after[0], step.radio + after[1])
                    table[part][begin] = here if before is None else (min(here[0], before[0]), min(here[1], before[1]))
        return table

    def begins(self, part: int) -> range:
        return range(1) if part == 0 else range(self.least * part, self.end + 1)

    def ways(self, part: int, begin: int, after: list[tuple[int, int] | None]) -> Iterator[tuple[int, _Step]]:
        """Where a part may end that begins here, so that the parts after it can go on."""
        positions, choice = self.problem.positions, self.choice
        first = begin + self.least if part < self.parts - 1 else max(begin + self.least, self.end)
        for end in range(first, self.end + 1):
            if after[end] is not None and not positions[end].refused:
                step = choice(part, begin, end)
                if step is not None:
                    yield end, step

    # -- from the beginning ------------------------------------------------------------------------

    def best(self, keep: int) -> list[_Label]:
        frontier: dict[int, list[_Label]] = {0: [_Label(0, 0, (), 0, 0)]}
        for part in range(self.parts):
            reached: dict[int, list[_Label]] = {}
            for begin, labels in frontier.items():
                for end, step in self.ways(part, begin, self.to_go[part + 1]):
                    self.extend(reached.setdefault(end, []), labels, part, end, step)
            frontier = {end: self.undominated(labels, keep) for end, labels in sorted(reached.items()) if labels}
            self.states += len(frontier)
        return frontier.get(self.end, [])

    def extend(self, into: list[_Label], labels: list[_Label], part: int, end: int, step: _Step) -> None:
        to_go = self.to_go[part + 1][end]
        assert to_go is not None
        most_ns = _left(self.at_most_ns, to_go[0] + step.ns)
        most_radio = _left(self.at_most_radio, to_go[1] + step.radio)
        cut = (end,) if part < self.parts - 1 else ()
        for label in labels:
            if label.ns <= most_ns and label.radio <= most_radio:
                value, sent = self.value(label, step), label.sent + step.sent
                into.append(_Label(value, sent, label.cuts + cut, label.ns + step.ns, label.radio + step.radio))
                self.labels += 1

    def value(self, label: _Label, step: _Step) -> int:
        if self.objective == "ram":
            return max(label.value, step.share)
        added = {"latency": step.ns, "radio": step.radio, "short": step.short}
        return label.value + added[self.objective]

    def undominated(self, labels: list[_Label], keep: int) -> list[_Label]:
        """Those that fewer than `keep` beat: in order, in what budgets of the whole count, and whatever comes after."""
        labels.sort()
        watched = self.watched()
        if not watched:
            return labels[:keep]
        kept: list[tuple[_Label, tuple[Any, ...]]] = []
        for label in labels:
            traits = tuple(of(label) for of in watched)
            if sum(all(a <= b for a, b in zip(other, traits, strict=True)) for _, other in kept) < keep:
                kept.append((label, traits))
        return [label for label, _ in kept]

    def watched(self) -> list[Callable[[_Label], Any]]:
        """What a label must not be worse in, besides its order, to beat another."""
        found: list[Callable[[_Label], Any]] = []
        if self.objective == "ram":  # a later part may make the largest shares equal: then the order goes on
            found.append(lambda label: (label.sent, label.cuts))
        if self.at_most_ns is not None and self.objective != "latency":
            found.append(lambda label: label.ns)
        if self.at_most_radio is not None and self.objective != "radio":
            found.append(lambda label: label.radio)
        return found


def _left(at_most: int | None, used: int) -> float:
    return math.inf if at_most is None else at_most - used
