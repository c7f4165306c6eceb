"""What a `choose` step recorded of its decision, as its readers take it: bounded, whoever signed it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from tinyops.artifacts import Record
from tinyops.errors import RemoteError
from tinyops.files import JsonObject, canonical_json
from tinyops.manifest.fields import Length, Tolerant, sentences

FACT = "choice"  # of the step; choice.json holds the same
CANDIDATES_MAX = 1000

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
VariantName = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=10_000)]
Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)]
GateName = Annotated[str, Field(max_length=64)]
Gate = int | Figure | Text | Annotated[dict[Text, Share], Field(max_length=CANDIDATES_MAX)] | None
Gates = Annotated[dict[GateName, Gate], Field(max_length=32)]
Names = Annotated[tuple[VariantName, ...], Field(max_length=CANDIDATES_MAX)]


class Rate(Tolerant):
    """Recordings that were right, with the 95 % interval of their share."""

    right: Length
    total: Length
    point: Share | None = None
    low: Share | None = None
    high: Share | None = None


class CandidateFacts(Tolerant):
    """A variant on the board; a figure is None where it was not measured, `lost` is empty for the picked one."""

    variant: VariantName
    accuracy: Share | None = None
    recordings: Rate | None = None
    flash_bytes: Length | None = None
    ram_bytes: Length | None = None
    image_bytes: Length | None = None
    arena_bytes: Length | None = None
    stack_bytes: Length | None = None
    instructions: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    milliseconds: Figure | None = None
    lost: Text = ""


class BudgetFacts(Tolerant):
    """What the board had for it and its fleet allowed."""

    model_room_bytes: Length | None = None
    arena_room_bytes: Length | None = None
    gates: Gates = Field(default={})
    model_gates: Gates = Field(default={})


class ChoiceFacts(Tolerant):
    """The decision for one board. Every name in `front`, and `picked`, is a candidate's."""

    version: Literal[1] = Field(default=1, alias="schema")
    board: Annotated[str, Field(max_length=200)]
    prefer: Literal["balanced", "size", "ram", "speed"]
    loss_max: Share
    searched: bool
    picked: VariantName
    why: Text
    front: Names = ()
    unmet: Annotated[tuple[Text, ...], Field(max_length=CANDIDATES_MAX)] = ()
    candidates: Annotated[tuple[CandidateFacts, ...], Field(min_length=1, max_length=CANDIDATES_MAX)]
    budget: BudgetFacts = BudgetFacts()

    @model_validator(mode="after")
    def _names_candidates(self) -> ChoiceFacts:
        known = {candidate.variant for candidate in self.candidates}
        for name in (self.picked, *self.front):
            if name not in known:
                raise ValueError(f"{name!r} is none of its candidates")
        return self

    @property
    def lost(self) -> dict[str, str]:
        """Why each variant that lost did."""
        return {candidate.variant: candidate.lost for candidate in self.candidates if candidate.lost}

    def to_json(self) -> JsonObject:
        """As it was recorded, without what this tinyops does not know."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def read_choice(record: Record) -> ChoiceFacts | None:
    """The decision of a step, None where it made none. Raises RemoteError for what no tinyops wrote."""
    found = record.facts.get(FACT)
    return None if found is None else choice_facts(found, f"{record.step}: {FACT}")


def choice_facts(value: Any, where: str) -> ChoiceFacts:
    """Raises RemoteError that starts with `where`."""
    try:
        return ChoiceFacts.model_validate_json(canonical_json(value))
    except ValidationError as error:
        raise RemoteError(sentences(error, where)) from None
    except (ValueError, RecursionError) as error:  # NaN, lone surrogates, depth
        raise RemoteError(f"{where}: {error}") from None
