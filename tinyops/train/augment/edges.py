"""What lies beyond a recording's ends: its own mirror image, which neither jumps nor falls silent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def mirrored(at: NDArray[Any], length: int) -> NDArray[Any]:
    """Places within 0 to length - 1 for any places, whole or not."""
    last = max(length - 1, 1)
    folded: NDArray[Any] = last - np.abs(last - np.abs(at) % (2 * last))
    within: NDArray[Any] = np.minimum(folded, length - 1)
    return within
