"""Faster or slower around the middle, by linear interpolation."""

from __future__ import annotations

import numpy as np

from tinyops.specs.augment import SpeedStep
from tinyops.train.augment.edges import mirrored
from tinyops.train.augment.kind import Random, Samples, Scene


def speed(samples: Samples, step: SpeedStep, _: Scene, random: Random) -> Samples:
    factor = random.uniform(*step.factor)
    middle = (len(samples) - 1) / 2
    at = mirrored((np.arange(len(samples)) - middle) * factor + middle, len(samples))
    before = np.minimum(at.astype(np.int64), max(len(samples) - 2, 0))
    after = np.minimum(before + 1, len(samples) - 1)
    share = (at - before)[:, None]
    changed: Samples = samples[before] * (1 - share) + samples[after] * share
    return changed
