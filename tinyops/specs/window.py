"""Seconds of a signal to whole frames."""

from __future__ import annotations

from tinyops.specs.dataset import Signal
from tinyops.specs.model import ModelSpec

WINDOW_LIMIT_FRAMES = 1_000_000
_EXACT = 1e-6


def whole_frames(seconds: float, rate_hz: float) -> int | None:
    """Frames in that time, or None when they are no whole number of at least one."""
    frames = seconds * rate_hz
    count = round(frames)
    return count if 1 <= count <= WINDOW_LIMIT_FRAMES and abs(frames - count) < _EXACT else None


def window(spec: ModelSpec, signal: Signal) -> tuple[int, int]:
    """Frames of a window and of a hop, of specs that the loader has accepted; (1, 1) for single images."""
    if signal.rate_hz is None:
        return 1, 1
    assert spec.input.window_s is not None
    frames = whole_frames(spec.input.window_s, signal.rate_hz)
    hop = whole_frames(spec.input.hop_s or spec.input.window_s, signal.rate_hz)
    assert frames is not None and hop is not None
    return frames, hop
