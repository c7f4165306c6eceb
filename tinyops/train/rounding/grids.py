"""Where the int8 model that is made of a float network rounds: which tensors have a grid, and of what range. Pure.

This says of layers what the converter and the quantiser do to the operators that become of them: normalisation goes
into the weights before it, a relu into the sum before it; what only moves values keeps their grid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "weights",  # sums of products with weights, in 32 bits until they are rounded
    "norm",  # batch normalisation
    "sum",  # of tensors, or their product
    "relu",
    "moving",  # values stay as they are, as in max_pool, flatten, and dropout where nothing is learnt
    "average",  # rounded to the grid it came with
    "join",  # of tensors, which go onto its grid
    "other",  # rounded to a grid of its own
    "sigmoid",
    "tanh",
    "softmax",
]
START = "input"
LAST_STEP = 1 / 256
FIXED: dict[str, tuple[float, float]] = {"sigmoid": (0.0, 1 - LAST_STEP), "tanh": (-1.0, 1 - 2 * LAST_STEP)}
_FUSES_RELU = frozenset({"weights", "sum"})
_FOLDS_NORM = "weights"


@dataclass(frozen=True)
class Call:
    """One layer as it is called: the names of the layers that gave its tensors, or `START`."""

    name: str
    kind: Kind
    takes: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """Of a layer's output. `like` is whose grid it is (its own, that of what it averages, or of what joins it to
    others); `fixed` is its range where that does not come from calibration."""

    like: str
    fixed: tuple[float, float] | None = None


def folded_norms(calls: Sequence[Call], outputs: Sequence[str]) -> dict[str, str]:
    """Normalisations that go into weights, each with the layer that has these."""
    kinds, alone = _kinds(calls), _taken_once(calls, outputs)
    return {
        call.name: call.takes[0]
        for call in calls
        if call.kind == "norm" and kinds[call.takes[0]] == _FOLDS_NORM and call.takes[0] in alone
    }


def find_grids(calls: Sequence[Call], outputs: Sequence[str]) -> dict[str, Grid]:
    """The grid of every layer whose output is rounded; of `START` too. Normalisations are folded already.

    A softmax is left out: it is the last layer, and its outputs are what the loss looks at.
    """
    kinds, alone = _kinds(calls), _taken_once(calls, outputs)
    fused = {
        call.takes[0]
        for call in calls
        if call.kind == "relu" and kinds[call.takes[0]] in _FUSES_RELU and call.takes[0] in alone
    }
    joins = {
        name: call.name
        for call in calls
        if call.kind == "join"
        for name in call.takes
        if name in alone and kinds[name] not in FIXED
    }
    grids = {START: Grid(START)}
    seen = {START: START}  # by layer, whose grid its output is on
    for call in calls:
        if call.kind == "moving":
            seen[call.name] = seen[call.takes[0]]
            continue
        like = seen[call.takes[0]] if call.kind == "average" else joins.get(call.name, call.name)
        seen[call.name] = like
        if call.kind != "softmax" and call.name not in fused:
            grids[call.name] = Grid(like, FIXED.get(call.kind))
    return grids


def _kinds(calls: Sequence[Call]) -> dict[str, Kind]:
    return {START: "other", **{call.name: call.kind for call in calls}}


def _taken_once(calls: Sequence[Call], outputs: Sequence[str]) -> frozenset[str]:
    taken = Counter(_all_taken(calls, outputs))
    return frozenset(name for name, times in taken.items() if times == 1)


def _all_taken(calls: Sequence[Call], outputs: Sequence[str]) -> Iterator[str]:
    for call in calls:
        yield from call.takes
    yield from outputs
