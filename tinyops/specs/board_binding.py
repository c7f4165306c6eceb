"""How a kind of board takes part in a fleet: where its frames come from, what it is built with, what it may cost."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from tinyops.boards.model import Framework
from tinyops.documents import Name, Strict
from tinyops.specs.acts import Act
from tinyops.specs.fields import Path_
from tinyops.specs.gates import NO_GATES, BoardGates


class StreamSensor(Strict):
    """Frames sent by the board's host."""

    kind: Literal["stream"]
    port: Literal["serial"] = Field(default="serial", description="What the frames come over.")


class ReplaySensor(Strict):
    """Frames read from a CSV file, one column a channel: for tests and demonstrations."""

    kind: Literal["replay"]
    file: Path_ = Field(description="The CSV file; its first row names the channels.")


class LinkSensor(Strict):
    """No sensor: tensors come from the part before, in a chain."""

    kind: Literal["link"]


class OnboardSensor(Strict):
    """A sensor of the board, by its name in the catalogue; the name alone is its short form."""

    kind: Literal["onboard"]
    name: Name = Field(description="As the catalogue names it.")


def _named_sensor(value: object) -> object:
    return {"kind": "onboard", "name": value} if isinstance(value, str) else value


AnySensor: TypeAlias = Annotated[StreamSensor | ReplaySensor | LinkSensor | OnboardSensor, Field(discriminator="kind")]
Sensor: TypeAlias = Annotated[AnySensor, BeforeValidator(_named_sensor, json_schema_input_type=Name | AnySensor)]


class BoardBinding(Strict):
    """How one kind of board takes part in a fleet."""

    sensor: Sensor = Field(description="Where frames come from; a sensor's name is short for kind onboard.")
    transport: Literal["usb", "wifi", "ble", "local"] | None = Field(
        default=None, description="How updates reach the board; absent: the first that its catalogue entry names."
    )
    framework: Framework | None = Field(
        default=None,
        description="What its firmware is made with; absent: the first that `tinyops boards` names for the board.",
    )
    act: tuple[Act, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=4,
        description="What it does with a result; a kind alone is short for its defaults. Absent: serial, and led where "
        "there is one.",
    )
    gates: BoardGates = Field(default=NO_GATES, description="What it may cost; a gate here replaces the fleet's.")
