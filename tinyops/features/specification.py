"""Features as frozen objects, and the integer constants that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from tinyops.errors import SpecError
from tinyops.features.stage_json import stage_json
from tinyops.features.stages import Filter, Rows, Stage, rows_in
from tinyops.files import JsonObject


@dataclass(frozen=True)
class Channel:
    """count -> input value: floor(((count - offset) x multiplier + half) / 2^shift) + zero point, saturated."""

    offset: int
    multiplier: int
    shift: int


class _Normalised:
    """Features whose value i of a row belongs to channel i % len(offset); the model sees (value - offset) x gain."""

    offset: tuple[int, ...]
    gain: tuple[float, ...]

    def channels(self, scale: float) -> tuple[Channel, ...]:
        """The integer form of each channel's factor gain / scale, for an input tensor of that scale.

        Raises SpecError where a factor is too large or too small for 64-bit integers.
        """
        pairs = zip(self.offset, self.gain, strict=True)
        return tuple(_channel(i, offset, gain / scale) for i, (offset, gain) in enumerate(pairs))


@dataclass(frozen=True)
class RawFeatures(_Normalised):
    """The newest `window_frames` frames of `frame_values` int16 counts, every `hop_frames` frames.

    Value i of a frame belongs to channel i % len(offset); the float model sees (count - offset) x gain.
    """

    frame_values: int
    window_frames: int
    hop_frames: int
    offset: tuple[int, ...]
    gain: tuple[float, ...]

    @property
    def row_values(self) -> int:
        """A row is a frame."""
        return self.frame_values

    @property
    def rows(self) -> int:
        return self.window_frames

    @property
    def hop_rows(self) -> int:
        return self.hop_frames

    @property
    def window_values(self) -> int:
        return self.row_values * self.rows

    def to_json(self) -> JsonObject:
        return {
            "kind": "raw",
            "frame_values": self.frame_values,
            "window_frames": self.window_frames,
            "hop_frames": self.hop_frames,
            "offset": list(self.offset),
            "gain": list(self.gain),
        }


@dataclass(frozen=True)
class StagedFeatures(_Normalised):
    """Rows that stages make of samples: filters first, then one stage that makes rows.

    A frame holds `frame_samples` samples of each channel; the window and the hop are in frames. Value i of a row has
    the offset and gain i.
    """

    rate_hz: float
    signal_channels: int
    frame_samples: int
    window_frames: int
    hop_frames: int
    stages: tuple[Stage, ...]
    offset: tuple[int, ...]
    gain: tuple[float, ...]

    @property
    def filters(self) -> tuple[Filter, ...]:
        return tuple(s for s in self.stages if isinstance(s, Filter))

    @property
    def last(self) -> Rows:
        """The stage that makes rows."""
        last = self.stages[-1]
        assert not isinstance(last, Filter)
        return last

    @property
    def frame_values(self) -> int:
        return self.frame_samples * self.signal_channels

    @property
    def row_values(self) -> int:
        return self.last.values(self.rate_hz) * self.signal_channels

    @property
    def rows(self) -> int:
        return rows_in(self.last, self.window_frames * self.frame_samples)

    @property
    def hop_rows(self) -> int:
        return self.hop_frames * self.frame_samples // self.last.step

    @property
    def window_values(self) -> int:
        return self.row_values * self.rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the model's input without the batch: [rows, values], or [rows, values of a channel, channels]."""
        if self.last.shape == "picture":
            return (self.rows, self.last.values(self.rate_hz), self.signal_channels)
        return (self.rows, self.row_values)

    def to_json(self) -> JsonObject:
        return {
            "kind": "stages",
            "rate_hz": self.rate_hz,
            "channels": self.signal_channels,
            "frame_samples": self.frame_samples,
            "window_frames": self.window_frames,
            "hop_frames": self.hop_frames,
            "stages": [stage_json(stage) for stage in self.stages],
            "offset": list(self.offset),
            "gain": list(self.gain),
        }


@dataclass(frozen=True)
class TensorFeatures:
    """The model takes tensors only: no frames."""

    def to_json(self) -> JsonObject:
        return {"kind": "tensor"}


FrameFeatures: TypeAlias = RawFeatures | StagedFeatures
Features: TypeAlias = FrameFeatures | TensorFeatures


def _channel(index: int, offset: int, factor: float) -> Channel:
    mantissa, exponent = math.frexp(factor) if math.isfinite(factor) else (0.5, 64)
    multiplier = math.floor(mantissa * 2.0**31 + 0.5)
    if multiplier == 2**31:
        multiplier, exponent = 2**30, exponent + 1
    shift = 31 - exponent
    if not 1 <= shift <= 62:
        raise SpecError(
            f"features: channel {index} would be multiplied by {factor:g}, outside 2^-32..2^30",
            hint="its gain does not suit the input's scale",
        )
    return Channel(offset, multiplier, shift)
