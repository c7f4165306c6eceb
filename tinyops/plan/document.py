"""Plan files: what `tinyops plan --out` writes, read as hostile input, and their JSON Schema."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from tinyops.files import MIB, JsonObject
from tinyops.manifest.fields import Digest
from tinyops.plan.changes import CONTROL, REASON_LIMIT, Action, Bound, Change, Plan, Reason

PLAN_LIMIT_BYTES = 64 * MIB


def _one_line(value: str) -> str:
    if CONTROL.search(value):
        raise ValueError("must be one line without control characters")
    return value


_Line = Annotated[str, Field(max_length=REASON_LIMIT), AfterValidator(_one_line)]
_Step = Annotated[str, Field(pattern=r"^[a-z]+:[a-z0-9][a-z0-9/._-]{0,255}$")]
_Subject = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9/._-]{0,255}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class _Reason(_Strict):
    field: _Line = Field(description="Dotted path of the field, or a sentence.")
    old: _Line = Field(description="Its released value, shortened; empty: none.")
    new: _Line = Field(description="Its value now, shortened; empty: none.")


class _Change(_Strict):
    kind: Annotated[str, Field(pattern=r"^[a-z]+$")] = Field(description="A step's kind, `fleet` or `release`.")
    subject: _Subject = Field(description="What it is done to: `activity`, `activity/microbit`, `wrist`.")
    action: Action = Field(description="What happens to it.")
    reasons: tuple[_Reason, ...] = Field(max_length=10_000, description="Why, field by field.")
    key: Digest | None = Field(description="The step's key; null: known after apply.")
    follows: tuple[_Step, ...] = Field(description="Changed steps that it depends on.")
    released: dict[str, Any] | None = Field(description="Facts of the last release.")
    moved_from: _Subject | None = Field(description="Its name in the last release, where that was another.")


class _Bound(_Strict):
    specs: Digest = Field(description="Of all specs.")
    lock: Digest = Field(description="Of the lock.")
    files: Digest = Field(description="Of all files that specs name, data indexes among them.")
    release: Digest | Literal["none"] = Field(description="Of the last release's manifest.")


class _Plan(_Strict):
    """What `tinyops plan --out FILE` writes and `tinyops apply FILE` carries out."""

    schema_: Literal["tinyops/plan/v2"] = Field(alias="schema", description="The version of this format.")
    project: _Subject = Field(description="The project's name.")
    released_version: int = Field(ge=0, description="The last release; 0: none.")
    bound: _Bound = Field(description="The world that the plan was made in; apply refuses it in another.")
    changes: tuple[_Change, ...] = Field(max_length=200_000, description="Steps in their order, fleets, the release.")
    only: tuple[_Subject, ...] = Field(description="The fleets that were asked for; empty: all.")
    counts: dict[Action, int] = Field(description="Changes by action.")
    digest: Digest = Field(description="Of all the above but counts, as canonical JSON.")


def read_plan(data: bytes) -> Plan:
    """The plan that a file holds. Raises ValueError for what is not one, or was edited after it was made."""
    try:
        read = _Plan.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"not a plan: {where}: {said}" if where else f"not a plan: {said}") from None
    plan = Plan(
        read.project,
        read.released_version,
        Bound(**read.bound.model_dump()),
        tuple(_change(change) for change in read.changes),
        read.only,
    )
    if plan.digest != read.digest:
        raise ValueError("the digest does not agree with the content: it was edited after it was made")
    return plan


def _change(change: _Change) -> Change:
    reasons = tuple(Reason(r.field, r.old, r.new) for r in change.reasons)
    return Change(
        change.kind,
        change.subject,
        change.action,
        reasons,
        change.key,
        change.follows,
        change.released,
        change.moved_from,
    )


@cache
def plan_schema() -> JsonObject:
    """The JSON Schema of plan files."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_Plan.model_json_schema(by_alias=True)}
