"""Plan files: what `tinyops plan --out` writes, read as hostile input, and their JSON Schema."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from tinyops.datasets.findings import PLACES_SHOWN, Finding, Severity
from tinyops.files import MIB, JsonObject
from tinyops.manifest.fields import Digest
from tinyops.plan.awaiting import Awaiting
from tinyops.plan.chains import ChainCuts, Sent
from tinyops.plan.changes import CONTROL, REASON_LIMIT, Action, Bound, Change, Plan, Reason
from tinyops.plan.findings import DataFinding
from tinyops.plan.gates import Miss
from tinyops.plan.prices import Figures, Interval, PlanFile, Price
from tinyops.specs.chain import PARTS_MAX

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


_Count = Annotated[int, Field(ge=0, le=2**53)]
_Real = Annotated[float, Field(ge=-1, le=1e12, allow_inf_nan=False)]


class _Interval(_Strict):
    """A share of test recordings with its 95 % interval."""

    point: _Real
    low: _Real
    high: _Real


class _Figures(_Strict):
    """What a board's devices run; null: there is no such figure, or it is known after apply only."""

    accuracy: _Interval | None = Field(description="Of the int8 model.")
    int8_loss: _Real | None = Field(description="Accuracy lost from float to int8.")
    flash_bytes: _Count | None = Field(description="Model and firmware together.")
    ram_bytes: _Count | None = Field(description="With the stack that was used.")
    instructions: _Count | None = Field(description="The most of any golden vector.")
    milliseconds: _Real | None = Field(description="Of one inference, where such a board was measured.")
    image_bytes: _Count | None = Field(description="Of the model's image.")
    proof_model: _Line | None = Field(description="How far the model's bytes are proven.")
    proof_firmware: _Line | None = Field(description="How far the firmware's bytes are proven.")
    variant: _Line | None = Field(default=None, description="Of the model, where each board gets its own.")


class _Miss(_Strict):
    gate: _Line = Field(description="Its name, or the step that failed.")
    text: _Line = Field(description="What was wanted and what was found.")
    board: _Subject | None = Field(description="null: the model itself misses it.")
    figure: _Line = Field(description="The figure that it is about; empty: none.")


class _Price(_Strict):
    """One board of a fleet, before and after."""

    fleet: _Subject
    board: _Subject
    model: _Subject
    was: _Figures | None = Field(description="null: not released before.")
    now: _Figures | None = Field(description="null: it leaves.")
    whole: bool = Field(description="`now` was measured; else it is what can be known without building.")
    air_bytes: _Count | None = Field(description="What a device fetches; null: known after apply.")
    devices: _Count | None = Field(description="How many do; null: no file lists them.")
    missed: tuple[_Miss, ...] = Field(max_length=1000, description="Gates that it or its model misses.")
    chosen: _Line | None = Field(
        default=None, description="Why it gets its variant; empty: known after apply; null: none is chosen."
    )
    lost: dict[_Line, _Line] = Field(default={}, max_length=1000, description="By variant, why it gets none of these.")


class _Awaiting(_Strict):
    """The last release, where people have not signed it yet."""

    version: _Count
    offered: _Count = Field(description="What devices are offered until then; 0: nothing.")
    signed: _Count = Field(description="How many people signed it.")
    threshold: _Count = Field(description="How many must.")


class _Finding(_Strict):
    """What a check says of a dataset."""

    dataset: _Subject
    check: Annotated[str, Field(pattern=r"^[a-z]{1,32}$")] = Field(description="Its name.")
    level: Severity = Field(description="An error holds the fleets that the dataset is for, a warning holds nothing.")
    message: _Line
    places: tuple[_Line, ...] = Field(max_length=PLACES_SHOWN, description="The first recordings that it is about.")
    total: _Count = Field(description="How many there are.")
    hint: _Line = Field(description="What to do; empty: nothing.")


class _Sent(_Strict):
    """What a part of a chain sends to the next for one inference."""

    part: _Subject
    tensor_bytes: _Count
    sent_bytes: _Count = Field(description="With frames and what is sent again.")


class _ChainCuts(_Strict):
    """Where the model of a fleet's chain is cut."""

    fleet: _Subject
    parts: tuple[_Subject, ...] = Field(max_length=PARTS_MAX, description="In the order of the tensors.")
    was: tuple[_Count, ...] | None = Field(max_length=PARTS_MAX, description="null: not released before.")
    now: tuple[_Count, ...] | None = Field(max_length=PARTS_MAX, description="null: known after apply.")
    links: tuple[_Sent, ...] = Field(max_length=PARTS_MAX, description="Between the parts, in their order.")
    lines: tuple[_Line, ...] = Field(max_length=1000, description="Why, for people.")
    anew: bool = Field(description="Released cuts are not kept, as asked for.")
    firmware: tuple[_Subject, ...] = Field(
        default=(), max_length=PARTS_MAX, description="Parts that get another one: unavailable meanwhile."
    )


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
    prices: tuple[_Price, ...] = Field(max_length=100_000, description="Boards of fleets that do not stay as they are.")
    awaiting: _Awaiting | None = Field(default=None, description="null: devices are offered the last release.")
    findings: tuple[_Finding, ...] = Field(default=(), max_length=10_000, description="Of the datasets, by index.")
    chains: tuple[_ChainCuts, ...] = Field(default=(), max_length=10_000, description="Of fleets that move.")


def read_plan(data: bytes) -> PlanFile:
    """What a plan file holds. Raises ValueError for what is none, or was edited after it was made."""
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
    waiting = Awaiting(**read.awaiting.model_dump()) if read.awaiting else None
    findings = tuple(_finding(found) for found in read.findings)
    chains = tuple(_chain(chain) for chain in read.chains)
    return PlanFile(plan, tuple(_price(price) for price in read.prices), waiting, findings, chains)


def _chain(chain: _ChainCuts) -> ChainCuts:
    links = tuple(Sent(**link.model_dump()) for link in chain.links)
    return ChainCuts(chain.fleet, chain.parts, chain.was, chain.now, links, chain.lines, chain.anew, chain.firmware)


def _finding(found: _Finding) -> DataFinding:
    return DataFinding(found.dataset, Finding(**found.model_dump(exclude={"dataset"})))


def _price(price: _Price) -> Price:
    missed = tuple(Miss(**miss.model_dump()) for miss in price.missed)
    was, now = (_figures(found) if found else None for found in (price.was, price.now))
    rest = (price.whole, price.air_bytes, price.devices, missed, price.chosen, price.lost)
    return Price(price.fleet, price.board, price.model, was, now, *rest)


def _figures(figures: _Figures) -> Figures:
    accuracy = Interval(**figures.accuracy.model_dump()) if figures.accuracy else None
    return Figures(accuracy, **figures.model_dump(exclude={"accuracy"}))


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
