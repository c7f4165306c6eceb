"""Gates: what a model and what a board gets must reach, and how one is lifted by name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from tinyops.documents import Digest, Name, Strict
from tinyops.specs.fields import Label, Share


class Gates(Strict):
    """What a model must reach; a fleet whose model misses one keeps what it has. Judged on what the device computes."""

    accuracy_min: Share | None = Field(default=None, description="Of test recordings, as int8.")
    recall_min: Mapping[Label, Share] = Field(default={}, description="By class, as int8.")
    int8_loss_max: Share | None = Field(default=None, description="Largest loss of accuracy from float to int8.")
    recordings_min: PositiveInt | None = Field(
        default=None, description="Fewest recordings of the dataset, training and test together."
    )
    judge_by: Literal["lower_bound", "point"] = Field(
        default="lower_bound",
        description="Compare a gate with the lower end of the 95 % interval, or with the figure itself.",
    )


class BoardGates(Strict):
    """What a board may cost, as its twin measures it; a fleet that misses one keeps what it has."""

    flash_bytes_max: PositiveInt | None = Field(default=None, description="Model and firmware together.")
    ram_bytes_max: PositiveInt | None = Field(default=None, description="With the stack that was used.")
    instructions_max: PositiveInt | None = Field(default=None, description="The most of any golden vector.")
    latency_ms_max: PositiveFloat | None = Field(
        default=None, description="Of one inference; missed where no board of the kind was measured."
    )
    growth_max: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None, description="Largest growth of flash, RAM and instructions against the last release: 0.1 is 10 %."
    )

    def under(self, board: BoardGates) -> BoardGates:
        """The gates of a board: its own, and these where it has none."""
        own = {name: value for name in BoardGates.model_fields if (value := getattr(board, name)) is not None}
        return self.model_copy(update=own)


NO_GATES = BoardGates()

GateName = Annotated[str, Field(pattern=r"^(proof|canary|[a-z0-9_]+_(min|max)(\.\S{1,64})?)$")]


Limit = Literal["destroy_share", "signing_key", "security_counter", "history"]


class LimitOverride(Strict):
    """Lifts one limit of the project for the release that follows a given one."""

    limit: Limit = Field(description="What would happen: tinyops prints the line that it needs.")
    fleet: Name | None = Field(default=None, description="Whose; absent where it concerns all.")
    release: Digest = Field(description="Of the last release's manifest: the next one uses the override up.")
    reason: Annotated[str, Field(min_length=10, max_length=500)] = Field(description="Why it is meant.")
    author: Annotated[str, Field(min_length=1, max_length=100)] = Field(description="Who answers for it.")
    until: date = Field(description="Last day on which it holds.")


class Override(Strict):
    """Lifts one gate for one int8 model, with a name under it and an end."""

    gate: GateName = Field(description="As the missed gate is named; recall_min stands for every class.")
    digest: Digest = Field(description="Of the int8 model: another model misses the gate again.")
    reason: Annotated[str, Field(min_length=10, max_length=500)] = Field(description="Why it moves all the same.")
    author: Annotated[str, Field(min_length=1, max_length=100)] = Field(description="Who answers for it.")
    until: date = Field(description="Last day on which it holds.")
