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
    places = np.arange(len(samples))
    return np.stack([np.interp(at, places, channel) for channel in samples.T], axis=1)
