"""A signal in as many columns as a screen has: the lowest and highest value in each. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyops.errors import SpecError
from tinyops.label.signals import Shown

COLUMNS_MAX = 4096
BINS = 128
BLOCK = 4 * BINS  # frames that a column of a spectrogram looks at: 32 ms at 16 kHz; half of it in a short recording
LONG_FRAMES = 8192
FLOOR_DB = -90.0


def envelope(shown: Shown, begin: int, end: int, columns: int) -> NDArray[np.float32]:
    """Of slots `begin` up to `end` [channels, columns, 2]: lowest and highest; NaN where a column has no frame.

    Raises SpecError for what is no part of the recording.
    """
    edges = _edges(shown, begin, end, columns)
    values = shown.values.reshape(shown.frames, -1)[:, : len(shown.limits)]
    starts, stops = edges[:-1], edges[1:]
    out = np.full((values.shape[1], columns, 2), np.nan, np.float32)
    full = stops > starts
    if full.any():
        part = values[: stops[full][-1]]
        out[:, full, 0] = np.minimum.reduceat(part, starts[full], axis=0).T
        out[:, full, 1] = np.maximum.reduceat(part, starts[full], axis=0).T
        out[~np.isfinite(out)] = np.nan
    return out


def spectrogram(shown: Shown, channel: int, begin: int, end: int, columns: int) -> NDArray[np.uint8]:
    """Loudness [columns, BINS], lowest frequency first: 0 is `FLOOR_DB` below full scale and less, 255 full scale."""
    if channel >= len(shown.limits):
        raise SpecError(f"the signal has no channel {channel}")
    edges = _edges(shown, begin, end, columns)
    block = BLOCK if shown.frames >= LONG_FRAMES else BLOCK // 2
    values = np.nan_to_num(shown.values[:, channel] / shown.limits[channel], posinf=1, neginf=-1)
    padded = np.concatenate([np.zeros(block // 2), values, np.zeros(block)])
    middle = (edges[:-1] + edges[1:]) // 2
    window = np.hanning(block)
    frames = padded[middle[:, None] + np.arange(block)] * window
    power = np.abs(np.fft.rfft(frames, axis=1)[:, 1:]) / (window.sum() / 2)
    power = power.reshape(columns, BINS, -1).max(axis=2)
    db = 20 * np.log10(np.maximum(power, 1e-9))
    out: NDArray[np.uint8] = np.clip((db - FLOOR_DB) / -FLOOR_DB * 255, 0, 255).astype(np.uint8)
    out[edges[1:] <= edges[:-1]] = 0
    return out


def _edges(shown: Shown, begin: int, end: int, columns: int) -> NDArray[np.int64]:
    if not 0 <= begin < end <= shown.slots.total or not 1 <= columns <= COLUMNS_MAX:
        raise SpecError(f"{shown.slots.total:,} places of frames have no {begin:,} to {end:,} in {columns:,} columns")
    places = begin + (np.arange(columns + 1, dtype=np.int64) * (end - begin)) // columns
    return shown.slots.first_frames(places)
