"""What users demand of a dataset, check by check: thresholds, and whether missing one stops or only warns."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from tinyops.documents import Misplaced, Strict
from tinyops.specs.fields import Channel, Share

Level: TypeAlias = Literal["error", "warning", "off"]
Factor: TypeAlias = Annotated[float, Field(gt=1, le=1e6)]
# Of the first version: these stand in the keys of released datasets, also with their defaults.
FIRST_FIELDS = ("min_recordings_per_class", "range")
NOT_OF_STEP = {"drift", "short"}  # what they compare with is no part of the dataset


class UnitsCheck(Strict):
    """Values look as if they were in another unit: an accelerometer in g that feels ten times its weight."""

    level: Level = Field(default="warning", description="error stops, warning is shown, off is not looked at.")


class RateCheck(Strict):
    """A recording's measured rate is another than the signal's."""

    tolerance: Annotated[float, Field(gt=0, lt=1)] = Field(default=0.1, description="Share of rate_hz.")
    level: Level = Field(default="error", description="As of units.")


class GapsCheck(Strict):
    """Frames of a recording never came."""

    lost_share_max: Share = Field(default=0.05, description="Of a recording's frames.")
    longest_s_max: PositiveFloat | None = Field(default=None, description="Of one gap, in seconds.")
    level: Level = Field(default="warning", description="As of units.")


class ClippingCheck(Strict):
    """Values of a recording lie at full scale: what was felt is larger than what was written down."""

    share_max: Share = Field(default=0.01, description="Of a recording's values.")
    level: Level = Field(default="warning", description="As of units.")


class DuplicatesCheck(Strict):
    """The same content under two names, pieces that overlap, the same values in two files."""

    level: Level = Field(default="warning", description="As of units. Two labels of one content are an error always.")


class BalanceCheck(Strict):
    """One class has many times what another has."""

    ratio_max: Factor = Field(default=10.0, description="Of the largest class to the smallest, in seconds or images.")
    level: Level = Field(default="warning", description="As of units.")


class LabelsCheck(Strict):
    """Classes that differ by case or a sign only. A label that is no class is an error always."""

    level: Level = Field(default="warning", description="As of units.")


class LeakageCheck(Strict):
    """The test side knows what training saw: a subject, a take or the same values on both sides."""

    level: Level = Field(default="warning", description="As of units.")


class DriftCheck(Strict):
    """The data is another population than the one that was released."""

    shift_max: PositiveFloat = Field(
        default=0.5, description="Of a channel's mean in a class, in standard deviations of what was released."
    )
    spread_ratio_max: Factor = Field(default=2.0, description="Of a channel's spread in a class, either way.")
    psi_max: PositiveFloat = Field(default=0.25, description="Of the classes' shares: population stability index.")
    level: Level = Field(default="warning", description="As of units.")


class UnlabelledCheck(Strict):
    """Recordings that wait for a label: they are left out of the dataset."""

    level: Level = Field(default="warning", description="As of units.")


class ShortCheck(Strict):
    """Recordings shorter than a model's window."""

    level: Level = Field(default="error", description="As of units.")


class Checks(Strict):
    """What data must be, before anything is trained on it."""

    min_recordings_per_class: PositiveInt = Field(default=2, description="In training and test together.")
    min_seconds_per_class: PositiveFloat | None = Field(default=None, description="In training and test together.")
    range: tuple[float, float] | None = Field(default=None, description="Lowest and highest value of any channel.")
    ranges: dict[Channel, tuple[float, float]] = Field(
        default={}, max_length=64, description="Lowest and highest value, by channel."
    )
    units: UnitsCheck = UnitsCheck()
    rate: RateCheck = RateCheck()
    gaps: GapsCheck = GapsCheck()
    clipping: ClippingCheck = ClippingCheck()
    duplicates: DuplicatesCheck = DuplicatesCheck()
    balance: BalanceCheck = BalanceCheck()
    labels: LabelsCheck = LabelsCheck()
    leakage: LeakageCheck = LeakageCheck()
    drift: DriftCheck = DriftCheck()
    unlabelled: UnlabelledCheck = UnlabelledCheck()
    short: ShortCheck = ShortCheck()

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Checks:
        if self.range is not None and self.range[0] >= self.range[1]:
            raise Misplaced(("range",), "the lower end is not below the upper")
        for channel, (low, high) in self.ranges.items():
            if low >= high:
                raise Misplaced(("ranges", channel), "the lower end is not below the upper")
        return self

    def settings(self) -> dict[str, object]:
        """As JSON, for the step: without what the step cannot judge, and of what came later only what is not the
        default, so that a new check builds no released dataset again."""
        given, usual = (checks.model_dump(mode="json", exclude=NOT_OF_STEP) for checks in (self, Checks()))
        return {name: value for name, value in given.items() if name in FIRST_FIELDS or value != usual[name]}
