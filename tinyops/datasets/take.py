"""A take: what a device recorded in one go, in one file, `….take`.

A zip archive, stored and not compressed, that `numpy.load` opens: `values.npy` holds the frames [T, V], as int16 counts
(value / full_scale x 32768) or as float32 in the channels' units; `take.json` says what they are. Whose label it is and
who moved is not in it but in the index: that is a judgement, and may change.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from tokenize import TokenError
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from tinyops.datasets.recording import as_values
from tinyops.documents import Strict
from tinyops.errors import SpecError
from tinyops.files import MIB, pretty_json

SUFFIX = "take"
VALUES_LIMIT_BYTES = 1024 * MIB
FACTS_LIMIT_BYTES = 4 * MIB
VALUES, FACTS = "values.npy", "take.json"
Text = Annotated[str, Field(max_length=200)]
LOST_MAX = 2**53  # of all gaps together
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    ValueError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
)
# What numpy raises beside them: it reads a header as Python's own text, and makes room for what that claims.
HOSTILE = (TokenError, SyntaxError, TypeError, OverflowError, MemoryError)
NaturalInt = Annotated[int, Field(ge=0)]


class Clock(Strict):
    """Whose clock times frames: the device's, or the host's, which knows only when bytes came."""

    source: Literal["device", "host", "file"]
    measured_hz: PositiveFloat | None = Field(default=None, description="Frames a second, as counted over the take.")
    jitter_ms: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Standard deviation of the time between two frames, or two blocks."
    )


class TakeFacts(Strict):
    """What the values of a take are."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    sensor: Text
    channels: tuple[Text, ...] = Field(min_length=1, max_length=64)
    units: tuple[Text, ...] = Field(min_length=1, max_length=64)
    full_scale: tuple[PositiveFloat, ...] | None = Field(
        default=None, description="One a channel, when values are int16 counts; none: values are in the units."
    )
    rate_hz: PositiveFloat | None = Field(default=None, description="Frames a second that were asked for.")
    size: tuple[PositiveInt, PositiveInt] | None = Field(default=None, description="Height and width of an image.")
    clock: Clock
    started: Text = Field(description="RFC 3339, UTC.")
    device: Text = ""
    board: Text = ""
    firmware: Text = ""
    gaps: tuple[tuple[NaturalInt, PositiveInt], ...] = Field(
        default=(), max_length=100_000, description="Before which frame of `values` how many are missing, ascending."
    )

    @model_validator(mode="after")
    def _lengths_agree(self) -> TakeFacts:
        scales = self.channels if self.full_scale is None else self.full_scale
        if not len(self.channels) == len(self.units) == len(scales):
            raise ValueError("channels, units and full_scale differ in length")
        if self.lost > LOST_MAX:
            raise ValueError("more frames are missing than can be counted")
        return self

    @property
    def lost(self) -> int:
        """Frames that never came."""
        return sum(count for _, count in self.gaps)


@dataclass(frozen=True)
class Take:
    """`values` [T, V] are int16 counts or float32 in the units; V is the number of channels, times height and width."""

    facts: TakeFacts
    values: NDArray[Any]

    def physical(self) -> NDArray[np.float64]:
        """The values [T, V] in the channels' units."""
        if self.facts.full_scale is None:
            return as_values(self.values)
        repeat = self.values.shape[1] // len(self.facts.channels)
        return self.values.astype(np.float64) * (np.tile(np.array(self.facts.full_scale), repeat) / 32768.0)


def take_bytes(take: Take) -> bytes:
    """The file of a take: the same take gives the same bytes on any machine."""
    values = io.BytesIO()
    np.lib.format.write_array(values, np.ascontiguousarray(take.values), version=(1, 0), allow_pickle=False)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(FACTS), pretty_json(take.facts.model_dump(mode="json", by_alias=True)))
        archive.writestr(zipfile.ZipInfo(VALUES), values.getvalue())
    return out.getvalue()


def read_take(data: bytes, where: str) -> Take:
    """Reads a take back. Raises SpecError when it is not what `take_bytes` writes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            facts = _member(archive, FACTS, FACTS_LIMIT_BYTES)
            raw = _member(archive, VALUES, VALUES_LIMIT_BYTES)
        take = Take(TakeFacts.model_validate_json(facts), np.load(io.BytesIO(raw), allow_pickle=False))
    except (*UNREADABLE, *HOSTILE) as error:
        said = f"{error.error_count()} faults in {FACTS}" if isinstance(error, ValidationError) else str(error)
        raise SpecError(f"{where}: not a take: {said[:200]}", hint="record it again, or bring the file back") from error
    problem = _inconsistency(take)
    if problem:
        raise SpecError(f"{where}: not a take: {problem}")
    return take


def _member(archive: zipfile.ZipFile, name: str, limit_bytes: int) -> bytes:
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > limit_bytes:
        raise ValueError(f"{name} is compressed, or has more than {limit_bytes:,} bytes")
    return archive.read(entry)


def _inconsistency(take: Take) -> str:
    values, facts = take.values, take.facts
    height, width = facts.size or (1, 1)
    wanted = len(facts.channels) * height * width
    dtype = "float32" if facts.full_scale is None else "int16"
    if not isinstance(values, np.ndarray) or values.dtype != dtype:
        return f"its values are {getattr(values, 'dtype', 'an archive')}, not {dtype}"
    if values.ndim != 2 or values.shape[1] != wanted:
        return f"its values have the shape {list(values.shape)}, wanted frames of {wanted}"
    places = [at for at, _ in facts.gaps]
    if places != sorted(set(places)) or any(at > len(values) for at in places):
        return "its gaps are out of order or beyond its end"
    return ""
