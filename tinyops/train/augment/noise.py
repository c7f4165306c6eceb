"""White noise, as a sensor's own."""

from __future__ import annotations

from tinyops.specs.augment import NoiseStep
from tinyops.train.augment.kind import Random, Samples, Scene

FULL_SCALE = 32768


def noise(samples: Samples, step: NoiseStep, _: Scene, random: Random) -> Samples:
    level = random.uniform(*step.level) * FULL_SCALE
    return samples + random.normal(0.0, level, samples.shape)
