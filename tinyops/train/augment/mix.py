"""Another recording in the background, from any of its moments, repeated where it is too short."""

from __future__ import annotations

import numpy as np

from tinyops.specs.augment import MixStep
from tinyops.train.augment.kind import Random, Samples, Scene


def mix(samples: Samples, step: MixStep, scene: Scene, random: Random) -> Samples:
    backgrounds = scene.backgrounds[step.dataset, step.of]
    background = backgrounds[int(random.integers(len(backgrounds)))]
    start = int(random.integers(len(background)))
    at = (start + np.arange(len(samples))) % len(background)
    return samples + random.uniform(*step.factor) * background[at]
