"""features.json, read and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyops.errors import SpecError
from tinyops.features.specification import Features, FrameFeatures, RawFeatures, StagedFeatures, TensorFeatures
from tinyops.features.stage_json import parse_stages
from tinyops.features.stages import window_faults
from tinyops.files import MIB, read_bounded

MAX_FRAME_VALUES = 1 << 20
MAX_WINDOW_FRAMES = 1 << 20
MAX_WINDOW_VALUES = 1 << 24
MAX_OFFSET = 1 << 16  # with int16 counts, a difference stays below 2^17 and its product below 2^48
MAX_CHANNELS = 1 << 10


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
    if kind not in ("raw", "stages"):
        raise SpecError(f"{name}: kind {kind!r} is unknown", hint="raw, stages or tensor")
    found = _raw(value, name) if kind == "raw" else _staged(value, name)
    _check(found, name)
    return found


def _raw(value: Mapping[str, Any], name: str) -> RawFeatures:
    _refuse_unknown(value, {"kind", "frame_values", "window_frames", "hop_frames", "offset", "gain"}, name)
    return RawFeatures(
        frame_values=_integer(value, "frame_values", MAX_FRAME_VALUES, name),
        window_frames=_integer(value, "window_frames", MAX_WINDOW_FRAMES, name),
        hop_frames=_integer(value, "hop_frames", MAX_WINDOW_FRAMES, name),
        offset=tuple(_numbers(value, "offset", name)),
        gain=tuple(map(float, _numbers(value, "gain", name))),
    )


def _staged(value: Mapping[str, Any], name: str) -> StagedFeatures:
    frames = {"window_frames", "hop_frames"}
    known = {"kind", "rate_hz", "channels", "frame_samples", "stages", "offset", "gain", *frames}
    _refuse_unknown(value, known, name)
    rate_hz = value.get("rate_hz")
    if not isinstance(rate_hz, int | float) or isinstance(rate_hz, bool) or not 0 < rate_hz < 1e9:
        raise SpecError(f"{name}: rate_hz is {rate_hz!r}, it must be a number above zero")
    found = StagedFeatures(
        rate_hz=float(rate_hz),
        signal_channels=_integer(value, "channels", MAX_CHANNELS, name),
        frame_samples=_integer(value, "frame_samples", MAX_FRAME_VALUES, name),
        window_frames=_integer(value, "window_frames", MAX_WINDOW_FRAMES, name),
        hop_frames=_integer(value, "hop_frames", MAX_WINDOW_FRAMES, name),
        stages=parse_stages(value.get("stages"), float(rate_hz), name),
        offset=tuple(_numbers(value, "offset", name)),
        gain=tuple(map(float, _numbers(value, "gain", name))),
    )
    window, hop = (found.frame_samples * frames for frames in (found.window_frames, found.hop_frames))
    for fault in window_faults(found.last, window, hop):
        raise SpecError(f"{name}: {fault.field}: {fault.message}", hint=fault.hint)
    return found


def _check(found: FrameFeatures, name: str) -> None:
    if found.frame_values > MAX_FRAME_VALUES:
        raise SpecError(f"{name}: a frame has {found.frame_values:,} values, at most {MAX_FRAME_VALUES:,}")
    if found.window_values > MAX_WINDOW_VALUES:
        raise SpecError(f"{name}: a window has {found.window_values:,} values, at most {MAX_WINDOW_VALUES:,}")
    count = len(found.offset)
    if count != len(found.gain) or count == 0 or found.row_values % count:
        raise SpecError(
            f"{name}: offset has {count} entries and gain {len(found.gain)}: both need one a channel, "
            f"and the {found.row_values} values of a {'frame' if isinstance(found, RawFeatures) else 'row'} must be a "
            "multiple of that"
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
