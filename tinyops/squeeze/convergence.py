"""How many windows calibrate: twice as many, until the ranges stay. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyops.files import JsonObject

FIRST_WINDOWS = 32
WINDOWS_LIMIT = 1024
TOLERANCE = 0.05  # of a range: a scale that is so much too fine or too coarse costs 0.4 dB
SETTLED_STEPS = 2  # in a row: ranges pause before they grow again
SHARE_DIGITS = 4


@dataclass(frozen=True)
class Growth:
    """What the last doubling did: the share of its range that the tensor that grew most got by it.

    None for the first windows, which nothing is compared with.
    """

    windows: int
    share: float | None
    tensor: str | None

    def to_json(self) -> JsonObject:
        return {"windows": self.windows, "growth": self.share, "tensor": self.tensor}


def settled(steps: Sequence[Growth]) -> bool:
    """Whether the last two doublings left every range about as it was."""
    last = [step.share for step in steps[-SETTLED_STEPS:]]
    return len(last) == SETTLED_STEPS and all(share is not None and share <= TOLERANCE for share in last)


def sizes(available: int) -> Iterator[int]:
    """How many windows are looked at, one after the other: 32, 64, … up to what there is and the limit."""
    most, number = min(available, WINDOWS_LIMIT), FIRST_WINDOWS
    while number < most:
        yield number
        number *= 2
    yield most


def growth(low: NDArray[np.float32], high: NDArray[np.float32], before: int, names: Sequence[str]) -> Growth:
    """By how much the ranges over all windows [N, tensors] are wider than those over the first `before`."""
    if not before:
        return Growth(len(low), None, None)
    narrow, wide = (high[:number].max(axis=0).astype(float) - low[:number].min(axis=0) for number in (before, len(low)))
    share = np.where(wide > 0, 1 - narrow / np.where(wide > 0, wide, 1), 0.0)
    worst = int(share.argmax())
    return Growth(len(low), round(float(share[worst]), SHARE_DIGITS), names[worst])
