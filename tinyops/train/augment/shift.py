"""Earlier or later in time."""

from __future__ import annotations

import numpy as np

from tinyops.specs.augment import ShiftStep
from tinyops.train.augment.kind import Random, Samples, Scene


def shift(samples: Samples, step: ShiftStep, scene: Scene, random: Random) -> Samples:
    assert scene.rate_hz is not None
    most = round(step.at_most_s * scene.rate_hz)
    by = int(random.integers(-most, most + 1))
    # The edge is held: zero would be a jump where a sensor feels gravity.
    return samples[np.clip(np.arange(len(samples)) - by, 0, len(samples) - 1)]
