"""Weights of few different values: which values, and where to cut off what lies far out. Pure.

Values are levels between -1 and 1 of each channel's largest magnitude, whole 127ths where int8 has to hit them in every
channel alike: then all of a tensor has as many int8 values as there are levels.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Few: TypeAlias = Literal["int4", "table"]
Floats: TypeAlias = NDArray[np.float32]

HIGHEST = 127
STEPS = 7  # of int4 to either side; -8 stays unused, as -128 does of int8
TABLE = 16
PINNED = (-HIGHEST, 0, HIGHEST)  # channels end at -1 or 1, and weights that were cut off are zero
ROUNDS = 30  # of moving levels to the middle of what is nearest to them
CUTS = np.linspace(0.4, 1.0, 31)  # shares of the largest magnitude that are tried as the largest
SMALLEST = 1e-12


def int4_levels() -> Floats:
    """Fifteen, evenly apart. In int8 they are the multiples of 127 / 7, rounded: the same ones in every channel."""
    return (np.arange(-STEPS, STEPS + 1) / STEPS).astype(np.float32)


def table_levels(kernel: NDArray[Any], axes: tuple[int, ...]) -> Floats:
    """At most sixteen, as near to the weights as can be: each stands for the weights nearest to it, by least squares.

    A channel's weights count by the square of what they are scaled with. The first levels are quantiles, so the same
    kernel gives the same levels everywhere.
    """
    largest = _largest(kernel, axes)
    values = (kernel / largest).reshape(-1).astype(np.float64)
    worth = np.broadcast_to(largest**2, kernel.shape).reshape(-1).astype(np.float64)
    order = np.argsort(values, kind="stable")
    values, worth = values[order], worth[order]
    free = TABLE - len(PINNED)
    levels = np.sort([*np.quantile(values, (np.arange(free) + 0.5) / free), *(p / HIGHEST for p in PINNED)])
    for _ in range(ROUNDS):
        place = np.searchsorted((levels[1:] + levels[:-1]) / 2, values)
        total = np.bincount(place, worth, len(levels))
        middle = np.bincount(place, worth * values, len(levels)) / np.maximum(total, SMALLEST)
        moved = np.where(total > 0, middle, levels)
        for pinned in (p / HIGHEST for p in PINNED):
            moved[np.abs(levels - pinned).argmin()] = pinned
        levels = np.sort(moved)
    found = np.unique(np.round(levels * HIGHEST))
    return np.asarray(np.pad(found, (0, TABLE - len(found)), mode="edge") / HIGHEST, np.float32)


def on_levels(kernel: NDArray[Any], levels: Floats, axes: tuple[int, ...]) -> Floats:
    """The nearest level of each weight, times its channel's largest magnitude."""
    largest = _largest(kernel, axes)
    places = np.searchsorted((levels[1:] + levels[:-1]) / 2, kernel / largest)
    return np.asarray(levels[places] * largest, np.float32)


def cut_off(kernel: NDArray[Any], axes: tuple[int, ...]) -> Floats:
    """The kernel with each channel limited where fifteen even levels then are nearest to it, by least squares."""
    largest, levels = _largest(kernel, axes), int4_levels()
    best, least = kernel, np.full(largest.shape, np.inf)
    for share in CUTS:
        limited = np.clip(kernel, -largest * share, largest * share)
        error = ((on_levels(limited, levels, axes) - kernel) ** 2).sum(axis=axes, keepdims=True)
        best = np.where(error < least, limited, best)
        least = np.minimum(error, least)
    return np.asarray(best, np.float32)


def _largest(kernel: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
    return np.asarray(np.maximum(np.abs(kernel).max(axis=axes, keepdims=True), SMALLEST))
