"""The sensor worn askew: Rodrigues' rotation about an axis of any direction."""

from __future__ import annotations

import numpy as np

from tinyops.specs.augment import RotateStep
from tinyops.train.augment.kind import Random, Samples, Scene


def rotate(samples: Samples, step: RotateStep, scene: Scene, random: Random) -> Samples:
    axis = random.normal(size=3)
    axis /= np.linalg.norm(axis)
    angle = np.deg2rad(random.uniform(-step.at_most_deg, step.at_most_deg))
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    for names in step.channels:
        columns = [scene.channels.index(name) for name in names]
        samples[:, columns] = samples[:, columns] @ rotation.T
    return samples
