"""What a model saw before its release, in counts small enough for a manifest: drift is measured against it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyops.files import JsonObject
from tinyops.squeeze.int8_graph import Int8Interface

BINS = 10  # as devices report confidence: [0, 0.1), … [0.9, 1]


def reference(
    trained: NDArray[Any], classes: Sequence[str], outputs: NDArray[np.int8], interface: Int8Interface
) -> JsonObject:
    """`classes`: windows of the training side by label. `confidence`: windows of the test side by the int8 model's best
    output, in tenths, `confidence_mean` their mean; empty and null where outputs are no shares of one, such as logits.
    """
    counts = np.bincount(trained.astype(np.int64), minlength=len(classes))
    best = best_outputs(outputs, interface)
    tenths = np.bincount(np.minimum((best * BINS).astype(np.int64), BINS - 1), minlength=BINS)
    return {
        "classes": {name: int(count) for name, count in zip(classes, counts, strict=True)},
        "confidence": [int(count) for count in tenths] if len(best) else [],
        "confidence_mean": round(float(best.mean()), 6) if len(best) else None,
    }


def best_outputs(outputs: NDArray[np.int8], interface: Int8Interface) -> NDArray[np.float64]:
    """The best output of each window [N] as a share; none where outputs are no shares of one."""
    scale, zero = interface.output_scale, interface.output_zero_point
    if (-128 - zero) * scale < 0 or (127 - zero) * scale > 1 or not len(outputs):
        return np.empty(0)
    best: NDArray[np.float64] = (outputs.max(axis=1).astype(np.float64) - zero) * scale
    return best
