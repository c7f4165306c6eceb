"""Where a model is cut: the spec's cuts, those that were released while they fit, else the best that a search finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from tinyops.chains.costing import Costs, runs_of
from tinyops.chains.settings import SplitSettings
from tinyops.errors import DoesNotFit, SpecError
from tinyops.graph import Graph
from tinyops.link.parts import MESSAGE_MAX
from tinyops.split import Found, Placement, Problem, boundaries, place, search, shortages
from tinyops.split.boundaries import Boundary
from tinyops.split.document import CROSSING_MAX
from tinyops.split.explain import Explanation, explain, sentence

ROUNDS_MAX = 10_000

How: TypeAlias = Literal["given", "kept", "searched"]


@dataclass(frozen=True)
class Choice:
    """What was chosen and how. `was` are released cuts that stay no longer, `why` says so."""

    how: How
    explanation: Explanation
    was: tuple[int, ...] | None = None
    why: str = ""


def possible_cuts(graph: Graph) -> tuple[Boundary, ...]:
    """Where a graph may be cut, without what parts cannot hand on."""
    return tuple(map(_carried, boundaries(graph)))


def _carried(boundary: Boundary) -> Boundary:
    if boundary.refused:
        return boundary
    if boundary.bytes > MESSAGE_MAX:
        return replace(boundary, refused=f"{boundary.bytes:,} bytes cross it, links carry {MESSAGE_MAX:,} at most")
    if len(boundary.tensors) > CROSSING_MAX:
        return replace(boundary, refused=f"{len(boundary.tensors)} tensors cross it, at most {CROSSING_MAX} may")
    return boundary


def choose(settings: SplitSettings, costs: Costs) -> Choice:
    """The cuts of a chain. Raises DoesNotFit and SpecError: what is short of what, or why no cuts can be."""
    problem = Problem(settings.chain, costs.positions, costs, settings.wish)
    if settings.cuts != "auto":
        return Choice("given", _given(problem, costs, settings.cuts))
    if settings.keep is None:
        return Choice("searched", best(problem, costs))
    kept = settings.keep
    try:
        return Choice("kept", _given(problem, costs, kept))
    except (DoesNotFit, SpecError) as error:
        return Choice("searched", best(problem, costs), kept, error.message)


def best(problem: Problem, costs: Costs) -> Explanation:
    """The best cuts and the next best, all of them compiled. Raises DoesNotFit where there are none."""
    for _ in range(ROUNDS_MAX):
        found = search(problem)
        if not costs.compile_runs(runs_of(_looked_at(found), problem.operators)):
            return explain(problem, found)
    raise AssertionError("every round compiles a run that no round before did")


def _looked_at(found: Found) -> Sequence[Placement]:
    """What an answer rests on."""
    return found.placements or ([found.nearest] if found.nearest else [])


def _given(problem: Problem, costs: Costs, cuts: Sequence[int]) -> Explanation:
    """Cuts that somebody else chose. Raises SpecError for what cannot be cut there, DoesNotFit for what is short."""
    problem = replace(problem, wish=replace(problem.wish, keep=1))
    placement = place(problem, cuts)  # by bounds: it says whether such cuts can be
    costs.compile_runs(runs_of([placement], problem.operators))
    placement = place(problem, cuts)
    missed = shortages(placement, problem.wish)
    if missed:
        said = "; ".join(map(sentence, missed))
        where = ", ".join(map(str, cuts))
        hint = "cuts: auto looks for others; or put a smaller variant of the model first, or use boards with more of it"
        raise DoesNotFit(f"the model does not fit the chain when it is cut at {where}: {said}", hint=hint)
    return Explanation(problem, placement, ())
