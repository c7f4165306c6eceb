"""Frames on a line of time that has room for those that were lost.

A slot is a place for a frame. Frame 5 of a recording that lost two before it has slot 7; slots 5 and 6 are empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Slots:
    """`gaps`: before which frame how many are missing, ascending; 0 marks a seam where none is known to be missing."""

    gaps: Sequence[tuple[int, int]]
    frames: int

    @property
    def lost(self) -> int:
        return sum(count for _, count in self.gaps)

    @property
    def total(self) -> int:
        return self.frames + self.lost

    def lost_inside(self, begin: int, end: int) -> int:
        """Between the first and the last of some frames."""
        return sum(count for at, count in self.gaps if begin < at < end)

    def first_frames(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each slot the first frame that lies there or later: `frames` beyond the last."""
        at = np.array([at for at, _ in self.gaps], np.int64)
        lost = np.cumsum([count for _, count in self.gaps]).astype(np.int64)
        ends = at + lost  # the slot of the frame after each gap
        passed = np.searchsorted(ends, slots, side="right")
        before = np.concatenate([[0], lost])[passed]
        following = np.concatenate([at, [self.frames]])[passed]  # in a gap: the frame after it
        found: NDArray[np.int64] = np.clip(np.minimum(slots - before, following), 0, self.frames)
        return found
