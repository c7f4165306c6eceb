"""Earlier or later in time."""

from __future__ import annotations

import numpy as np

from tinyops.specs.augment import ShiftStep
from tinyops.train.augment.edges import mirrored
from tinyops.train.augment.kind import Random, Samples, Scene


def shift(samples: Samples, step: ShiftStep, scene: Scene, random: Random) -> Samples:
    assert scene.rate_hz is not None
    most = round(step.at_most_s * scene.rate_hz)
    by = int(random.integers(-most, most + 1))
    moved: Samples = samples[mirrored(np.arange(len(samples)) - by, len(samples))]
    return moved
