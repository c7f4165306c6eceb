"""Tensors whose range is that of a few recordings: everything else then shares what is left of 256 steps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyops.files import JsonObject

FACTOR = 1.5  # so much wider than without them: more than half a bit
FEW = 50  # one of so many recordings, and at least one
RECORDINGS_MIN = 5  # of fewer, each is a large part of what there is
RECORDINGS_SHOWN = 5
NAMED_FROM = 0.1  # of the usual range: by so much a recording goes beyond it that is named

Extremes = NDArray[np.float32]


@dataclass(frozen=True)
class Outlier:
    """`factor` says how much wider the tensor's range is than without the `recordings`, the most extreme first."""

    tensor: str
    factor: float
    recordings: tuple[str, ...]

    def to_json(self) -> JsonObject:
        return {"tensor": self.tensor, "factor": self.factor, "recordings": list(self.recordings)}


def find_outliers(
    low: Extremes, high: Extremes, owners: NDArray[np.int64], names: Sequence[str], ids: Sequence[str]
) -> tuple[Outlier, ...]:
    """Of the extremes [N, tensors] of windows, whose recordings are `owners` [N]; the widest first."""
    recordings, index = np.unique(owners, return_inverse=True)
    number = len(recordings)
    if number < RECORDINGS_MIN:
        return ()
    lows, highs = (np.full((number, len(names)), fill, np.float32) for fill in (np.inf, -np.inf))
    np.minimum.at(lows, index, low)
    np.maximum.at(highs, index, high)
    few = max(number // FEW, 1)
    floor, ceiling = np.sort(lows, axis=0)[few], np.sort(highs, axis=0)[-few - 1]
    wide = highs.max(axis=0).astype(float) - lows.min(axis=0)
    usual = np.maximum(ceiling.astype(float) - floor, 0)
    found = []
    for tensor in np.flatnonzero((usual > 0) & (wide >= FACTOR * usual)).tolist():
        beyond = np.maximum(floor[tensor] - lows[:, tensor], highs[:, tensor] - ceiling[tensor])
        order = [r for r in np.argsort(-beyond, kind="stable").tolist() if beyond[r] > NAMED_FROM * usual[tensor]]
        named = tuple(ids[int(recordings[r])] for r in order[:RECORDINGS_SHOWN])
        found.append(Outlier(names[tensor], round(float(wide[tensor] / usual[tensor]), 2), named))
    return tuple(sorted(found, key=lambda its: -its.factor))
