"""The steps by the class of their spec."""

from __future__ import annotations

from collections.abc import Mapping

from tinyops.specs.augment import (
    MaskBandsStep,
    MaskTimeStep,
    MixStep,
    NoiseStep,
    RotateStep,
    RowStep,
    SampleStep,
    ScaleStep,
    ShiftStep,
    SpeedStep,
)
from tinyops.train.augment.kind import RowFunction, SampleFunction
from tinyops.train.augment.masks import mask_bands, mask_time
from tinyops.train.augment.mix import mix
from tinyops.train.augment.noise import noise
from tinyops.train.augment.rotate import rotate
from tinyops.train.augment.scale import scale
from tinyops.train.augment.shift import shift
from tinyops.train.augment.speed import speed

ON_SAMPLES: Mapping[type[SampleStep], SampleFunction] = {
    MixStep: mix,
    NoiseStep: noise,
    RotateStep: rotate,
    ScaleStep: scale,
    ShiftStep: shift,
    SpeedStep: speed,
}
ON_ROWS: Mapping[type[RowStep], RowFunction] = {MaskBandsStep: mask_bands, MaskTimeStep: mask_time}
