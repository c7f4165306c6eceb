"""How a fleet's new content reaches its devices: in waves, each judged before the next one begins."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from tinyops.documents import Strict
from tinyops.documents.fields import Misplaced
from tinyops.specs.fields import Share

Hours = Annotated[float, Field(ge=0, le=24 * 365)]


class Wave(Strict):
    """Up to where a wave goes: so many devices, or that share of all; with those of the waves before it."""

    canary: PositiveInt | None = Field(default=None, description="So many of the listed devices.")
    share: Annotated[float, Field(gt=0, le=1)] | None = Field(default=None, description="Of all devices; 1: every one.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Wave:
        if (self.canary is None) == (self.share is None):
            raise ValueError("a wave is {canary: 5} or {share: 0.1}: so many devices, or a share of all")
        return self


class RolloutHealth(Strict):
    """What a wave's devices must show before the next one begins; a wave that cannot show it any more halts all."""

    self_test: Literal["pass"] | None = Field(default="pass", description="A device whose self-test fails has failed.")
    crashes_per_day_max: Annotated[float, Field(ge=0, le=1000)] | None = Field(
        default=None, description="A device that crashes more often has failed; its first day counts as a whole one."
    )
    min_reporting_share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.8, description="Of a wave's devices: they must report that they run the new content and are well."
    )
    failures_max_share: Share = Field(
        default=0.05, description="Of a wave's devices: if more of them failed, the rollout halts at once."
    )


class Rollout(Strict):
    waves: tuple[Wave, ...] = Field(
        min_length=1,
        max_length=20,
        description="In order, each going further than the one before; the last share is 1.",
    )
    soak_h: Hours = Field(default=24, description="Hours from a wave's beginning before it is judged.")
    health: RolloutHealth = RolloutHealth()
    silent_after_h: Annotated[float, Field(gt=0, le=24 * 365)] = Field(
        default=72, description="Hours without a report after which a device of a wave counts as failed."
    )
    without_reports: Literal["wait", "advance"] = Field(
        default="wait",
        description="Where the project has no reports, or no device of the fleet ever sent one: a wave waits for them, "
        "or ends when it has soaked.",
    )
    on_failure: Literal["revert", "hold"] = Field(
        default="revert", description="After a halt, devices with the new content go back, or stay as they are."
    )
    hold: Annotated[str, Field(min_length=3, max_length=500)] | None = Field(
        default=None, description="Why no wave may begin for now; a rollout can still halt."
    )

    @model_validator(mode="after")
    def _waves_rise(self) -> Rollout:
        for number, (before, wave) in enumerate(zip(self.waves, self.waves[1:], strict=False), 1):
            if wave.canary is not None and before.share is not None:
                raise Misplaced(("waves", number), "a canary comes before the shares", hint="shares only grow")
            for name in ("canary", "share"):
                old, new = getattr(before, name), getattr(wave, name)
                if old is not None and new is not None and new <= old:
                    raise Misplaced(("waves", number, name), f"must be more than the {old:g} of the wave before it")
        if self.waves[-1].share != 1:
            raise Misplaced(("waves", len(self.waves) - 1), "the last wave must be {share: 1}, all devices")
        return self
