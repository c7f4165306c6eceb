"""What passes between a device and the receiver of recordings, over HTTP: `tinyops collect serve` and who pushes to it.

A take is opened with its facts, its bytes are appended at an offset, and it is closed. Each step may be sent again: the
same bytes at the same offset change nothing. Sizes are bounded here, for both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, model_validator

from tinyops.datasets import index_cells
from tinyops.documents import Digest, Matching, Name, Strict
from tinyops.files import MIB
from tinyops.specs.fields import Channel, Unit

PATH = "/v1/takes"
FILES_PATH = "/v1/files"
FACTS_LIMIT_BYTES = 16 * 1024
CHUNK_LIMIT_BYTES = 256 * 1024
TAKE_LIMIT_BYTES = 128 * MIB
GAPS_MAX = 100_000
LOST_MAX = 2**31 - 1
CONTENT_TYPE = "application/octet-stream"

Encoding = Literal["int16", "frames", "csv", "file"]


def _named(check: Callable[[str], str]) -> AfterValidator:
    def checked(text: str) -> str:
        try:
            return check(text)
        except ValueError as error:
            raise ValueError(f"{text[:40]!r} {error}") from None

    return AfterValidator(checked)


Named = Annotated[str, _named(index_cells.name)]
Label = Annotated[str, _named(index_cells.label)]
Ending = Annotated[
    str, Matching(r"^[a-z0-9]{1,12}(\.gz)?$", "a file's ending is such as take, wav, csv", max_length=15)
]


class Opening(Strict):
    """The facts of a take before its first byte. What the receiver's dataset says of its signal may be left out."""

    dataset: Name
    device: Annotated[Named, Field(min_length=1)]
    encoding: Encoding = Field(
        default="int16",
        description="Of the bytes: int16 little-endian, a frame's channels in order; frames of the link with SAMPLES; "
        "CSV lines in the units; or a whole file as it is.",
    )
    ending: Ending | Literal[""] = Field(default="", description="Of a whole file: take, wav, csv, …")
    label: Label = ""
    subject: Named = ""
    take: Named = Field(default="", description="The device's own name of it.")
    key: Named = Field(
        default="", description="What the device opens it by: opened again under the same, it goes on. Absent: `take`."
    )
    sensor: Annotated[str, Field(max_length=63)] = ""
    channels: Annotated[tuple[Channel, ...], Field(max_length=64)] = ()
    units: Annotated[tuple[Unit, ...], Field(max_length=64)] = ()
    full_scale: Annotated[tuple[PositiveFloat, ...], Field(max_length=64)] = ()
    rate_hz: PositiveFloat | None = None
    started: Annotated[str, Field(max_length=40)] = Field(
        default="", description="RFC 3339; absent: when the receiver was asked."
    )
    board: Annotated[str, Field(max_length=63)] = ""
    firmware: Annotated[str, Field(max_length=63)] = ""

    @model_validator(mode="after")
    def _agrees(self) -> Opening:
        if (self.encoding == "file") != bool(self.ending):
            raise ValueError("a file has an ending, and nothing else has")
        for field in ("units", "full_scale"):
            if getattr(self, field) and len(getattr(self, field)) != len(self.channels):
                raise ValueError(f"{field} has another length than channels")
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("a channel stands twice")
        try:
            index_cells.CELLS["time"].read(self.started)
        except ValueError as error:
            raise ValueError(f"started {error}") from None
        return self

    @property
    def called(self) -> str:
        """By what it is opened again; "" where it cannot be."""
        return self.key or self.take

    @property
    def frame_bytes(self) -> int:
        """Of one frame of int16; 1 where bytes are not counted in frames."""
        return 2 * max(len(self.channels), 1) if self.encoding == "int16" else 1


class Closing(Strict):
    """What ends a take: how many bytes it has, and their digest, where the sender knows; a label that came late."""

    bytes: Annotated[int, Field(ge=0)] | None = None
    sha256: Digest | None = None
    label: Label = ""
    subject: Named = ""


class Receipt(Strict):
    """What became of a take that was closed. `problem` says why it lies among the refused ones."""

    take: str
    dataset: str
    device: str
    name: str = ""  # by which the device opened it
    sha256: str = ""
    frames: int | None = None
    lost: int = 0
    cut_bytes: int = 0  # of a frame that was never whole
    problem: str = ""
