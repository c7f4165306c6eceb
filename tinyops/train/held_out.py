"""Which windows of the training side are kept from training, to decide by. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HOLD_OUT_EVERY = 5  # of the training recordings


def hold_out(owners: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which windows [N] are kept back: those of every fifth recording; `owners` [N] says whose each is.

    Of fewer than five recordings, every fifth window: these resemble what is trained on.
    """
    recordings, index = np.unique(owners, return_inverse=True)
    if len(recordings) < HOLD_OUT_EVERY:
        index = np.arange(len(owners))
    return np.asarray(index % HOLD_OUT_EVERY == HOLD_OUT_EVERY - 1)
