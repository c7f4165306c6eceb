"""What users write of augmentation: how recordings of the training side are varied, in training only."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from tinyops.documents import Misplaced, Name, Strict
from tinyops.specs.fields import Channel, Label, Share

FACTOR_LIMIT = 100.0
STEPS_LIMIT = 16
SPEED_LIMITS = (0.5, 2.0)

Factor: TypeAlias = Annotated[float, Field(gt=0, le=FACTOR_LIMIT)]
Speed: TypeAlias = Annotated[float, Field(ge=SPEED_LIMITS[0], le=SPEED_LIMITS[1])]


class _Step(Strict):
    chance: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="How often it acts on a recording; otherwise that stays as it is."
    )


def _refuse_descent(pair: tuple[float, float], field: str) -> None:
    if pair[0] > pair[1]:
        raise Misplaced((field,), f"{pair[0]:g} is above {pair[1]:g}", hint="the lower end comes first")


class NoiseStep(_Step):
    """White noise on every sample, as a sensor's own."""

    kind: Literal["noise"]
    level: tuple[Share, Share] = Field(
        description="Its standard deviation in shares of full scale; drawn between the two for each recording."
    )

    @model_validator(mode="after")
    def _ascends(self) -> NoiseStep:
        _refuse_descent(self.level, "level")
        return self


class ShiftStep(_Step):
    """Earlier or later in time; where nothing is left, the recording goes on mirrored."""

    kind: Literal["shift"]
    at_most_s: PositiveFloat = Field(description="Farthest that a recording moves, either way.")


class ScaleStep(_Step):
    """Louder or softer: every sample times one factor."""

    kind: Literal["scale"]
    factor: tuple[Factor, Factor] = Field(description="Drawn between the two, evenly in decibels.")

    @model_validator(mode="after")
    def _ascends(self) -> ScaleStep:
        _refuse_descent(self.factor, "factor")
        return self


class SpeedStep(_Step):
    """Faster or slower around its middle, pitch and all; where it ends too early, it goes on mirrored."""

    kind: Literal["speed"]
    factor: tuple[Speed, Speed] = Field(description="1.1 plays a recording in 10 % less time; drawn between the two.")

    @model_validator(mode="after")
    def _ascends(self) -> SpeedStep:
        _refuse_descent(self.factor, "factor")
        return self


class RotateStep(_Step):
    """The sensor worn askew: one rotation for all samples of a recording, about an axis of any direction."""

    kind: Literal["rotate"]
    at_most_deg: Annotated[float, Field(gt=0, le=180)] = Field(description="Largest angle.")
    channels: tuple[tuple[Channel, Channel, Channel], ...] = Field(
        min_length=1,
        max_length=8,
        description="x, y and z of each sensor, such as [[ax, ay, az], [gx, gy, gz]]: all turn alike.",
    )


class MixStep(_Step):
    """Another recording of the training side in the background, from any of its moments."""

    kind: Literal["mix"]
    of: Label = Field(description="The class that backgrounds are taken from, such as silence.")
    dataset: Name | None = Field(
        default=None, description="The dataset that has it, its training side; absent: the model's own."
    )
    factor: tuple[Share, Share] = Field(description="What the background is multiplied by; drawn between the two.")

    @model_validator(mode="after")
    def _ascends(self) -> MixStep:
        _refuse_descent(self.factor, "factor")
        return self


class MaskTimeStep(_Step):
    """Some rows of a window, one after the other, hold each value's mean: what a model must do without."""

    kind: Literal["mask_time"]
    at_most_s: PositiveFloat = Field(description="Longest time that is masked at once.")
    count: Annotated[PositiveInt, Field(le=STEPS_LIMIT)] = Field(default=1, description="Masks in a window.")


class MaskBandsStep(_Step):
    """Some bands of every row of a window, side by side, hold their mean."""

    kind: Literal["mask_bands"]
    at_most: Annotated[PositiveInt, Field(le=512)] = Field(description="Most bands that are masked at once.")
    count: Annotated[PositiveInt, Field(le=STEPS_LIMIT)] = Field(default=1, description="Masks in a window.")


SampleStep: TypeAlias = NoiseStep | ShiftStep | ScaleStep | SpeedStep | RotateStep | MixStep
RowStep: TypeAlias = MaskTimeStep | MaskBandsStep
AnyStep: TypeAlias = SampleStep | RowStep
AugmentStep: TypeAlias = Annotated[AnyStep, Field(discriminator="kind")]
