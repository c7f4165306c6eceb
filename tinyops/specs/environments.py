"""What a fleet says of moving on: after which other fleet, or not at all for now."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tinyops.documents import Name, Strict
from tinyops.specs.fields import Share


class PromoteWhen(Strict):
    """What must hold of a fleet before `tinyops promote` pins this one to its model."""

    fleet: Name = Field(description="The fleet that goes first.")
    converged_share: Share = Field(default=0.95, description="Of its devices: they report the released model.")
    soak_h: Annotated[float, Field(ge=0, le=24 * 365)] = Field(
        default=0, description="Hours since the release that first gave it the model."
    )


class Suspended(Strict):
    """A fleet that no apply moves until `tinyops resume` takes this away."""

    reason: Annotated[str, Field(min_length=3, max_length=500)] = Field(description="Why it must not move.")
    author: Annotated[str, Field(min_length=1, max_length=100)] = Field(description="Who says so.")
