"""features.json as frozen objects, and the integer constants that follow from it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tinyops.errors import SpecError
from tinyops.files import MIB, JsonObject, read_bounded

MAX_FRAME_VALUES = 1 << 20
MAX_WINDOW_FRAMES = 1 << 20
MAX_WINDOW_VALUES = 1 << 24
MAX_OFFSET = 1 << 16  # with int16 counts, a difference stays below 2^17 and its product below 2^48


@dataclass(frozen=True)
class Channel:
    """count -> input value: floor(((count - offset) x multiplier + half) / 2^shift) + zero point, saturated."""

    offset: int
    multiplier: int
    shift: int


@dataclass(frozen=True)
class RawFeatures:
    """The newest `window_frames` frames of `frame_values` int16 counts, every `hop_frames` frames.

    Value i of a frame belongs to channel i % len(offset); the float model sees (count - offset) x gain.
    """

    frame_values: int
    window_frames: int
    hop_frames: int
    offset: tuple[int, ...]
    gain: tuple[float, ...]

    @property
    def window_values(self) -> int:
        return self.frame_values * self.window_frames

    def channels(self, scale: float) -> tuple[Channel, ...]:
        """The integer form of each channel's factor gain / scale, for an input tensor of that scale.

        Raises SpecError where a factor is too large or too small for 64-bit integers.
        """
        return tuple(_channel(i, offset, gain / scale) for i, (offset, gain) in enumerate(self._pairs()))

    def _pairs(self) -> list[tuple[int, float]]:
        return list(zip(self.offset, self.gain, strict=True))

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
class TensorFeatures:
    """The model takes tensors only: no frames."""

    def to_json(self) -> JsonObject:
        return {"kind": "tensor"}


Features: TypeAlias = RawFeatures | TensorFeatures


def read_features(path: Path) -> Features:
    """Reads features.json. Raises SpecError naming what is wrong."""
    data = read_bounded(path, 16 * MIB)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{path.name}: not JSON: {error}") from error
    return parse_features(value, path.name)


def parse_features(value: Any, name: str = "features.json") -> Features:
    """Features from JSON. Raises SpecError naming the field that is missing, of the wrong kind or out of bounds."""
    if not isinstance(value, Mapping):
        raise SpecError(f"{name}: must be an object, is {type(value).__name__}")
    kind = value.get("kind")
    if kind == "tensor":
        _refuse_unknown(value, {"kind"}, name)
        return TensorFeatures()
    if kind != "raw":
        raise SpecError(f"{name}: kind {kind!r} is unknown", hint="raw or tensor")
    _refuse_unknown(value, {"kind", "frame_values", "window_frames", "hop_frames", "offset", "gain"}, name)
    found = RawFeatures(
        frame_values=_integer(value, "frame_values", MAX_FRAME_VALUES, name),
        window_frames=_integer(value, "window_frames", MAX_WINDOW_FRAMES, name),
        hop_frames=_integer(value, "hop_frames", MAX_WINDOW_FRAMES, name),
        offset=tuple(_numbers(value, "offset", name)),
        gain=tuple(map(float, _numbers(value, "gain", name))),
    )
    _check(found, name)
    return found


def _check(found: RawFeatures, name: str) -> None:
    if found.window_values > MAX_WINDOW_VALUES:
        raise SpecError(f"{name}: a window has {found.window_values:,} values, at most {MAX_WINDOW_VALUES:,}")
    count = len(found.offset)
    if count != len(found.gain) or count == 0 or found.frame_values % count:
        raise SpecError(
            f"{name}: offset has {count} entries and gain {len(found.gain)}: both need one a channel, "
            f"and the {found.frame_values} values of a frame must be a multiple of that"
        )
    for i, (offset, gain) in enumerate(zip(found.offset, found.gain, strict=True)):
        if not isinstance(offset, int) or abs(offset) > MAX_OFFSET:
            raise SpecError(f"{name}: offset[{i}] is {offset!r}, it must be an integer within ±{MAX_OFFSET}")
        if not math.isfinite(gain) or gain <= 0:
            raise SpecError(f"{name}: gain[{i}] is {gain!r}, it must be finite and above zero")


def _refuse_unknown(value: Mapping[str, Any], known: set[str], name: str) -> None:
    unknown = sorted(set(map(str, value)) - known)
    if unknown:
        raise SpecError(f"{name}: unknown fields {', '.join(unknown)}")


def _integer(value: Mapping[str, Any], field: str, limit: int, name: str) -> int:
    found = value.get(field)
    if not isinstance(found, int) or isinstance(found, bool) or not 1 <= found <= limit:
        raise SpecError(f"{name}: {field} is {found!r}, it must be an integer in 1..{limit:,}")
    return found


def _numbers(value: Mapping[str, Any], field: str, name: str) -> list[Any]:
    found = value.get(field)
    ok = isinstance(found, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in found)
    if not ok:
        raise SpecError(f"{name}: {field} must be a list of numbers")
    assert isinstance(found, list)
    return found


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
