"""Which windows calibrate: from the training side only, classes in equal parts. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyops.recordings import Windows

WINDOWS_LIMIT = 256


def choose_windows(windows: Windows, limit: int = WINDOWS_LIMIT) -> NDArray[np.int64]:
    """Indices of at most `limit` windows, ascending: an equal share of each class, evenly over its windows."""
    classes = np.unique(windows.labels)
    share = max(limit // len(classes), 1)
    chosen = []
    for label in classes:
        mine = np.flatnonzero(windows.labels == label)
        number = min(share, len(mine))
        chosen.append(mine[np.arange(number) * len(mine) // number])
    return np.sort(np.concatenate(chosen)).astype(np.int64)
