"""Figures about a classifier, with intervals that say how little a small test set knows. Pure, no dependencies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

Z_95 = 1.959963984540054  # two-sided 95 % of the normal distribution
Z_95_ONE_SIDED = 1.6448536269514722


@dataclass(frozen=True)
class Rate:
    """`right` of `total` with the Wilson 95 % interval: 0 <= low <= point <= high <= 1."""

    right: int
    total: int
    point: float
    low: float
    high: float

    def to_json(self) -> dict[str, float | int]:
        return {"point": self.point, "low": self.low, "high": self.high, "right": self.right, "total": self.total}


def rate(right: int, total: int, z: float = Z_95) -> Rate:
    """The share `right / total` and its Wilson interval, rounded to 6 digits.

    Nothing observed gives the point 0 and the interval 0..1. Raises ValueError unless
    0 <= right <= total.
    """
    if not 0 <= right <= total:
        raise ValueError(f"{right} right of {total}")
    if total == 0:
        return Rate(0, 0, 0.0, 0.0, 1.0)
    share = right / total
    low, high = wilson_interval(share, total, z)
    return Rate(right, total, round(share, 6), round(low, 6), round(high, 6))


def wilson_interval(share: float, total: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval: unlike the normal one it stays inside 0..1 and is no point at 0 and 1."""
    square = z * z / total
    centre = (share + square / 2) / (1 + square)
    half = z * math.sqrt(share * (1 - share) / total + square / (4 * total)) / (1 + square)
    # At the ends the exact bound is the share itself; floating point misses it by an ulp.
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


@dataclass(frozen=True)
class Scores:
    """What a classifier made of labelled things. `confusion[label][predicted]` counts them."""

    classes: tuple[str, ...]
    accuracy: Rate
    recall: dict[str, Rate]
    confusion: tuple[tuple[int, ...], ...]


def score(labels: Sequence[int], predicted: Sequence[int], classes: Sequence[str]) -> Scores:
    """Accuracy, recall per class and the confusion matrix, one count a pair of label and prediction."""
    size = len(classes)
    counts = [[0] * size for _ in range(size)]
    for label, guess in zip(labels, predicted, strict=True):
        counts[label][guess] += 1
    recall = {name: rate(counts[i][i], sum(counts[i])) for i, name in enumerate(classes)}
    right = sum(counts[i][i] for i in range(size))
    return Scores(tuple(classes), rate(right, len(labels)), recall, tuple(tuple(row) for row in counts))


def area_under_curve(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """The area under the ROC curve: how often a positive scores above a negative; equal scores count half.

    Raises ValueError when one of the two is missing.
    """
    ordered = sorted(zip((float(s) for s in scores), (bool(p) for p in positive), strict=True))
    positives = sum(p for _, p in ordered)
    negatives = len(ordered) - positives
    if not positives or not negatives:
        raise ValueError("an area under the curve takes positives and negatives")
    area, below = 0.0, 0
    for _, equal in groupby(ordered, key=lambda pair: pair[0]):
        flags = [p for _, p in equal]
        ups = sum(flags)
        area += ups * (below + (len(flags) - ups) / 2)
        below += len(flags) - ups
    return area / (positives * negatives)


@dataclass(frozen=True)
class Shift:
    """How far counts moved from a reference. `psi` is the population stability index; `noise` is what it stays below,
    19 times in 20, when nothing moved and that many were counted."""

    psi: float
    noise: float

    @property
    def is_certain(self) -> bool:
        return self.psi > self.noise


def shift(reference: Sequence[float], observed: Sequence[int]) -> Shift:
    """The population stability index between two histograms of the same bins: sum of (a - e) ln(a / e) over shares.

    Half a count is added to each bin, so that an empty one is no infinity. The index of two samples of one
    distribution with B bins is about chi-square(B - 1) times (1/N + 1/M) (Yurdakul and Naranjo, "Statistical properties
    of the population stability index", Journal of Risk Model Validation 14(4), 2020): its 95 % is `noise`.
    Raises ValueError for fewer than two bins, or none in common.
    """
    if len(reference) != len(observed) or len(reference) < 2:
        raise ValueError(f"{len(reference)} bins of the reference, {len(observed)} observed")
    wanted, found = _shares(reference), _shares(observed)
    psi = sum((a - e) * math.log(a / e) for e, a in zip(wanted, found, strict=True))
    counted = [max(sum(counts), 1) for counts in (reference, observed)]
    noise = _chi_square_95(len(reference) - 1) * sum(1 / count for count in counted)
    return Shift(round(psi, 6), round(noise, 6))


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts) + len(counts) / 2
    return [(count + 0.5) / total for count in counts]


def _chi_square_95(degrees: int) -> float:
    """The 95 % quantile, by Wilson and Hilferty's cube: within 1 % from one degree of freedom on."""
    part = 2 / (9 * degrees)
    return float(degrees * (1 - part + Z_95_ONE_SIDED * math.sqrt(part)) ** 3)
