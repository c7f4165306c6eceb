"""Louder or softer."""

from __future__ import annotations

import math

from tinyops.specs.augment import ScaleStep
from tinyops.train.augment.kind import Random, Samples, Scene


def scale(samples: Samples, step: ScaleStep, _: Scene, random: Random) -> Samples:
    low, high = map(math.log, step.factor)
    return samples * math.exp(random.uniform(low, high))
