"""A model over the boards of a chain: given cuts, what each part and each link costs, and which budgets are missed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from tinyops.errors import SpecError
from tinyops.split.boundaries import Boundary, check_cuts
from tinyops.split.chain import Chain, Cost, CostOf, PartBudget

Objective: TypeAlias = Literal["latency", "radio", "ram"]
BudgetName: TypeAlias = Literal["flash", "ram", "latency", "radio"]
NOTHING = Cost(0, 0, 0)  # of a part without operators: it forwards frames as they come


@dataclass(frozen=True)
class Wish:
    """What to minimise: time from input to answer, bytes over radio links, or the largest share of a board's RAM.

    `at_most_ns` and `at_most_radio_bytes` hold for an inference, whatever is minimised. `keep` are best and next best.
    """

    minimise: Objective = "latency"
    at_most_ns: int | None = None
    at_most_radio_bytes: int | None = None
    allow_empty: bool = False
    keep: int = 4

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise SpecError(f"{self.keep} placements to keep: at least one is looked for")


@dataclass(frozen=True)
class Problem:
    """A chain, the positions of a graph (as `boundaries` gives them), what runs of operators cost, and a wish."""

    chain: Chain
    positions: tuple[Boundary, ...]
    cost_of: CostOf
    wish: Wish = Wish()

    def __post_init__(self) -> None:
        if len(self.positions) < 2:
            raise SpecError("a graph without operators cannot be split")

    @property
    def operators(self) -> int:
        return len(self.positions) - 1

    def cost(self, part: int, begin: int, end: int) -> Cost | None:
        return NOTHING if begin == end else self.cost_of(part, begin, end)

    def held_bytes(self, begin: int, end: int) -> int:
        """What a part keeps beside its arena until it is sent: tensors that others made and others need.

        Nothing without operators, for then frames are passed on as they come.
        """
        return self.positions[begin].shared_bytes(self.positions[end]) if begin < end else 0


@dataclass(frozen=True)
class PlacedPart:
    """Operators begin to end - 1 on a board, and what it sends on: tensors, their bytes, and bytes on the link.

    `held_bytes` are of tensors that only pass through: they lie in its RAM beside the arena.
    """

    index: int
    budget: PartBudget
    begin: int
    end: int
    cost: Cost
    compute_ns: int
    held_bytes: int = 0
    tensors: tuple[int, ...] = ()
    tensor_bytes: int = 0
    sent_bytes: int = 0
    radio_bytes: int = 0
    link_ns: int = 0

    @property
    def ram_bytes(self) -> int:
        return self.cost.arena_bytes + self.held_bytes

    @property
    def ram_share(self) -> float:
        return self.ram_bytes / self.budget.ram_bytes

    @property
    def flash_share(self) -> float:
        return self.cost.flash_bytes / self.budget.flash_bytes


@dataclass(frozen=True)
class Placement:
    """All parts. Of two that are equally good the one that sends fewer bytes comes first, then the earlier cuts."""

    parts: tuple[PlacedPart, ...]

    @property
    def cuts(self) -> tuple[int, ...]:
        return tuple(part.end for part in self.parts[:-1])

    @property
    def latency_ns(self) -> int:
        return sum(part.compute_ns + part.link_ns for part in self.parts)

    @property
    def sent_bytes(self) -> int:
        return sum(part.sent_bytes for part in self.parts)

    @property
    def radio_bytes(self) -> int:
        return sum(part.radio_bytes for part in self.parts)

    @property
    def ram_share(self) -> float:
        return max(part.ram_share for part in self.parts)


@dataclass(frozen=True)
class Shortage:
    """A budget that is missed, in bytes, of latency in nanoseconds. `part` is None for what all parts share."""

    budget: BudgetName
    needed: int
    available: int
    part: int | None = None
    name: str = ""
    board: str = ""

    @property
    def short(self) -> int:
        return self.needed - self.available


def place(problem: Problem, cuts: Sequence[int]) -> Placement:
    """The placement of given cuts, whether or not it fits. Raises SpecError for cuts that cannot be."""
    chain, parts = problem.chain, []
    ends = check_cuts(problem.positions, cuts, len(chain.links), allow_empty=problem.wish.allow_empty)
    for index, budget in enumerate(chain.parts):
        begin, end = ends[index], ends[index + 1]
        cost = problem.cost(index, begin, end)
        if cost is None:
            raise SpecError(f"part {budget.name!r}: {budget.board} cannot run operators {begin} to {end - 1}")
        held = problem.held_bytes(begin, end)
        part = PlacedPart(index, budget, begin, end, cost, budget.time_ns(cost.instructions), held)
        parts.append(_linked(problem, part) if index < len(chain.links) else part)
    return Placement(tuple(parts))


def _linked(problem: Problem, part: PlacedPart) -> PlacedPart:
    link, boundary = problem.chain.links[part.index], problem.positions[part.end]
    sent = link.sent_bytes(boundary.bytes)
    made = replace(part, tensors=boundary.tensors, tensor_bytes=boundary.bytes, sent_bytes=sent)
    return replace(made, radio_bytes=sent if link.radio else 0, link_ns=link.time_ns(sent))


def shortages(placement: Placement, wish: Wish) -> tuple[Shortage, ...]:
    """Every budget that a placement misses; empty where it fits. So cuts that were recorded are judged, too."""
    found: list[Shortage] = []
    for part in placement.parts:
        who = (part.index, part.budget.name, part.budget.board)
        found.append(Shortage("flash", part.cost.flash_bytes, part.budget.flash_bytes, *who))
        found.append(Shortage("ram", part.ram_bytes, part.budget.ram_bytes, *who))
    if wish.at_most_ns is not None:
        found.append(Shortage("latency", placement.latency_ns, wish.at_most_ns))
    if wish.at_most_radio_bytes is not None:
        found.append(Shortage("radio", placement.radio_bytes, wish.at_most_radio_bytes))
    return tuple(shortage for shortage in found if shortage.short > 0)


def share_units(chain: Chain) -> tuple[int, ...]:
    """For each part, what a byte of its arena counts, so that shares of RAM compare exactly as whole numbers."""
    common = math.lcm(*(part.ram_bytes for part in chain.parts))
    return tuple(common // part.ram_bytes for part in chain.parts)
