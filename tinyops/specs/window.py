"""Seconds of a signal to whole samples and frames."""

from __future__ import annotations

from tinyops.specs.dataset import Signal
from tinyops.specs.features import samples_in
from tinyops.specs.model import ModelSpec

WINDOW_LIMIT_FRAMES = 1_000_000


def whole_frames(seconds: float, rate_hz: float) -> int | None:
    """Samples in that time, or None when they are no whole number of at least one, or too many."""
    count = samples_in(seconds, rate_hz)
    return count if count is not None and count <= WINDOW_LIMIT_FRAMES else None


def frame_samples(spec: ModelSpec, signal: Signal) -> int:
    """Samples of each channel in a frame, of specs that the loader has accepted; 1 for single images."""
    if signal.rate_hz is None or spec.input.block_s is None:
        return 1
    return whole_frames(spec.input.block_s, signal.rate_hz) or 1


def window(spec: ModelSpec, signal: Signal) -> tuple[int, int]:
    """Frames of a window and of a hop, of specs that the loader has accepted; (1, 1) for single images."""
    if signal.rate_hz is None:
        return 1, 1
    assert spec.input.window_s is not None
    samples = whole_frames(spec.input.window_s, signal.rate_hz)
    hop = whole_frames(spec.input.hop_s or spec.input.window_s, signal.rate_hz)
    assert samples is not None and hop is not None
    block = frame_samples(spec, signal)
    return samples // block, hop // block


def window_samples(spec: ModelSpec, signal: Signal) -> int | None:
    """Samples in a window, of any spec; None for a model that takes tensors, and for one that the loader refuses."""
    if spec.input.takes_tensors:
        return None
    if signal.rate_hz is None:
        return 1
    return None if spec.input.window_s is None else whole_frames(spec.input.window_s, signal.rate_hz)
