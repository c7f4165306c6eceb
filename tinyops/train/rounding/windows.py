"""Which windows ranges are found by: of the training side, classes in equal parts. Pure.

As many as calibration takes at the most: it ends where more of them widen no range by much, so its ranges are these.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOWS_LIMIT = 1024


def calibrating_windows(labels: NDArray[np.int32], limit: int = WINDOWS_LIMIT) -> NDArray[np.int64]:
    """Indices of at most `limit` windows, ascending: an equal share of each class, evenly over its windows."""
    classes = np.unique(labels)
    share = max(limit // len(classes), 1)
    chosen = []
    for label in classes:
        mine = np.flatnonzero(labels == label)
        number = min(share, len(mine))
        chosen.append(mine[np.arange(number) * len(mine) // number])
    return np.sort(np.concatenate(chosen)).astype(np.int64)
