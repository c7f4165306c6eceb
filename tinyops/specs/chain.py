"""A chain of boards that share one model: its parts in order, the links between them, how it is cut."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt

from tinyops.boards.model import LinkKind
from tinyops.documents import Name, Strict
from tinyops.specs.board_binding import BoardBinding, LinkSensor, Sensor
from tinyops.specs.fields import Path_

PARTS_MAX = 16


class Part(BoardBinding):
    """One board of a chain. The first takes frames from its sensor, the others what the part before sends."""

    name: Name = Field(description="Unique in the chain.")
    board: Name = Field(description="In the board catalogue.")
    sensor: Sensor = Field(default=LinkSensor(kind="link"), description="Of the first part only.")


class ChainLink(Strict):
    """From a part to the next. What its kind leaves open: rate, latency and loss, by which cuts are chosen."""

    from_: Name = Field(alias="from", description="The part that sends.")
    to: Name = Field(description="The next part.")
    kind: LinkKind = Field(description="What tensors go over.")
    baud: Annotated[int, Field(ge=1200, le=10_000_000)] | None = Field(
        default=None, description="Of a uart, 10 bits a byte; absent: 115200."
    )
    bytes_s: PositiveInt | None = Field(default=None, description="Of another kind; absent: what it usually carries.")
    latency_ms: Annotated[float, Field(ge=0, le=60_000)] | None = Field(
        default=None, description="From sent to received; absent: as is usual for the kind."
    )
    loss: Annotated[float, Field(ge=0, le=0.9)] = Field(default=0.0, description="Share of frames that get lost.")


class Members(Strict):
    """Which devices form which chain."""

    file: Path_ = Field(description="CSV: chain, then the device of each part by the part's name.")


class Chain(Strict):
    parts: tuple[Part, ...] = Field(min_length=2, max_length=PARTS_MAX, description="In the order of the tensors.")
    links: tuple[ChainLink, ...] = Field(min_length=1, max_length=PARTS_MAX - 1, description="One between any two.")
    members: Members | None = Field(default=None, description="Absent: nobody lists chains.")


def _tuple(value: object) -> object:
    """What follows the short form's validator is no JSON any more: there a list is no tuple."""
    return tuple(value) if isinstance(value, list) else value


Cuts: TypeAlias = Annotated[
    tuple[PositiveInt, ...], BeforeValidator(_tuple, json_schema_input_type=tuple[PositiveInt, ...])
]


class SplitWish(Strict):
    """Where the model is cut. Cuts are numbers of operators: part i ends before operator cuts[i]."""

    cuts: Literal["auto"] | Cuts = Field(
        default="auto", description="auto: the best cuts, kept as released while they still fit."
    )
    minimise: Literal["latency", "radio", "ram"] = Field(
        default="latency", description="Time, bytes over radio, or the largest share of a board's RAM."
    )
    at_most_ms: PositiveFloat | None = Field(default=None, description="From input to answer.")
    at_most_radio_bytes: PositiveInt | None = Field(default=None, description="Of one inference, over ble and Wi-Fi.")


def _auto(value: object) -> object:
    if isinstance(value, str | list | tuple) and value != "auto":
        raise ValueError("must be auto or a mapping such as {cuts: [1]}")
    return {"cuts": value} if value == "auto" else value


ChainSplit: TypeAlias = Annotated[SplitWish, BeforeValidator(_auto, json_schema_input_type=Literal["auto"] | SplitWish)]


class OnPartLost(Strict):
    """What a chain does when a part does not answer."""

    act: Literal["report-unavailable"] = "report-unavailable"
    after_ms: Annotated[int, Field(ge=10, le=600_000)] = Field(default=2000, description="Without an answer.")
