"""The best cuts under all budgets, exactly: dynamic programming over (operators done, parts used).

A label is a way to have run the first operators on the first parts. At each state those labels are kept that fewer than
`keep` others beat in everything that can still matter; whatever follows, the others then stay ahead, so the best and
the next best are never lost. What cannot reach the end within the budgets, as a pass from the end tells, is not begun.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import le
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


class _Rest(NamedTuple):
    """What the parts after a state add, of all ways to the end: time, radio bytes, and the largest share of RAM."""

    least_ns: int
    most_ns: int
    least_radio: int
    most_radio: int
    least_share: int


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
        places = f"{open_cuts} place{'' if open_cuts == 1 else 's'}"
        return f"{places} for {len(problem.chain.links)} cuts; none at {refused.at}: {refused.refused}"
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
        ram = cost.arena_bytes + self.problem.held_bytes(begin, end)
        short = max(0, cost.flash_bytes - budget.flash_bytes) + max(0, ram - budget.ram_bytes)
        return _Step(ns + budget.time_ns(cost.instructions), radio, sent, ram * self.units[part], short)


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

    def backwards(self) -> list[list[_Rest | None]]:
        """For each (parts used, operators done): what is still to come at the least and at the most, None: no way."""
        table: list[list[_Rest | None]] = [[None] * (self.end + 1) for _ in range(self.parts + 1)]
        table[self.parts][self.end] = _Rest(0, 0, 0, 0, 0)
        for part in reversed(range(self.parts)):
            for begin in self.begins(part):
                for end, step in self.ways(part, begin, table[part + 1]):
                    table[part][begin] = _either(table[part][begin], _before(step, table[part + 1][end]))
        return table

    def begins(self, part: int) -> range:
        return range(1) if part == 0 else range(self.least * part, self.end + 1)

    def ways(self, part: int, begin: int, after: list[_Rest | None]) -> Iterator[tuple[int, _Step]]:
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
            frontier = {end: self.undominated(part + 1, end, reached[end], keep) for end in sorted(reached)}
            self.states += len(frontier)
        return frontier.get(self.end, [])[:keep]

    def extend(self, into: list[_Label], labels: list[_Label], part: int, end: int, step: _Step) -> None:
        rest = self.rest(part + 1, end)
        most_ns = _left(self.at_most_ns, rest.least_ns + step.ns)
        most_radio = _left(self.at_most_radio, rest.least_radio + step.radio)
        cut = (end,) if part < self.parts - 1 else ()
        for label in labels:
            if label.ns <= most_ns and label.radio <= most_radio:
                value, sent = self.value(label, step, rest), label.sent + step.sent
                into.append(_Label(value, sent, label.cuts + cut, label.ns + step.ns, label.radio + step.radio))
                self.labels += 1

    def value(self, label: _Label, step: _Step, rest: _Rest) -> int:
        """Of shares, what it will be at the least: so labels are equal as soon as what is to come decides."""
        if self.objective == "ram":
            return max(label.value, step.share, rest.least_share)
        added = {"latency": step.ns, "radio": step.radio, "short": step.short}
        return label.value + added[self.objective]

    def rest(self, part: int, end: int) -> _Rest:
        found = self.to_go[part][end]
        assert found is not None  # `ways` goes nowhere else
        return found

    def undominated(self, part: int, end: int, labels: list[_Label], keep: int) -> list[_Label]:
        """Those that fewer than `keep` beat: in order, in what budgets of the whole count, and whatever comes after."""
        labels.sort()
        traits_of = self.traits(self.rest(part, end))
        if not traits_of:
            return labels[:keep]
        kept: list[_Label] = []
        traits: list[tuple[Any, ...]] = []
        for label in labels:
            found = tuple(of(label) for of in traits_of)
            if not _beaten(found, traits, keep):
                kept.append(label)
                traits.append(found)
        return kept

    def traits(self, rest: _Rest) -> list[Callable[[_Label], Any]]:
        """What a label must not be worse in, besides its order, to beat another.

        What is within a budget whatever comes is no worse than what is within it by more.
        """
        found: list[Callable[[_Label], Any]] = []
        if self.at_most_ns is not None and self.objective != "latency":
            safe_ns = self.at_most_ns - rest.most_ns
            found.append(lambda label: max(label.ns, safe_ns))
        if self.at_most_radio is not None and self.objective != "radio":
            safe = self.at_most_radio - rest.most_radio
            found.append(lambda label: max(label.radio, safe))
        # Where the end with the smallest shares may be too late, another can make shares equal: then the order goes on.
        if self.objective == "ram" and found:
            found.append(lambda label: (label.sent, label.cuts))
        return found


def _beaten(found: tuple[Any, ...], by: list[tuple[Any, ...]], times: int) -> bool:
    """Whether so many are no worse in anything."""
    for other in by:
        if all(map(le, other, found)):
            times -= 1
            if not times:
                return True
    return False


def _before(step: _Step, rest: _Rest | None) -> _Rest:
    assert rest is not None
    ns, radio = step.ns, step.radio
    return _Rest(
        *(rest.least_ns + ns, rest.most_ns + ns, rest.least_radio + radio, rest.most_radio + radio),
        max(rest.least_share, step.share),
    )


def _either(a: _Rest | None, b: _Rest) -> _Rest:
    if a is None:
        return b
    return _Rest(*(take(x, y) for take, x, y in zip((min, max, min, max, min), a, b, strict=True)))


def _left(at_most: int | None, used: int) -> float:
    return math.inf if at_most is None else at_most - used
