"""Splitting a model over a chain of boards: where it may be cut, the best cuts under all budgets, and the parts.

Pure: what operators cost on a board comes in as data (`CostOf`), what comes out are placements and files' bytes.
"""

from tinyops.split.boundaries import Boundary, boundaries, stands_alone
from tinyops.split.chain import UNLIMITED, Chain, Cost, CostOf, Link, PartBudget
from tinyops.split.cutting import Cutter, PartFile, cut_model
from tinyops.split.explain import Alternative, Explanation, does_not_fit, explain
from tinyops.split.placement import (
    Objective,
    PlacedPart,
    Placement,
    Problem,
    Shortage,
    Wish,
    place,
    shortages,
)
from tinyops.split.search import Found, search

__all__ = [
    "UNLIMITED",
    "Alternative",
    "Boundary",
    "Chain",
    "Cost",
    "CostOf",
    "Cutter",
    "Explanation",
    "Found",
    "Link",
    "Objective",
    "PartBudget",
    "PartFile",
    "PlacedPart",
    "Placement",
    "Problem",
    "Shortage",
    "Wish",
    "boundaries",
    "cut_model",
    "does_not_fit",
    "explain",
    "place",
    "search",
    "shortages",
    "stands_alone",
]
