"""Normalisation per channel, learned from the training side."""

from __future__ import annotations

import math

import numpy as np

from tinyops.features import RawFeatures
from tinyops.recordings import Counts, Recordings

GAIN_DIGITS = 6


def fit_features(recordings: Recordings, channels: int, window_frames: int, hop_frames: int) -> RawFeatures:
    """Raw features: the float model's input is `(count - offset[channel]) * gain[channel]`.

    Mean and spread of each channel are over all frames (and pixels) of the training side, summed in
    integers, so that every machine finds the same numbers.
    """
    offsets, gains = [], []
    for channel in range(channels):
        counts = _training_counts(recordings)[:, channel::channels].astype(np.int64)
        number, total, squares = counts.size, int(counts.sum()), int((counts * counts).sum())
        spread = math.sqrt(max(number * squares - total * total, 0)) / number
        offsets.append(round(total / number))
        gains.append(float(f"{1 / max(spread, 1.0):.{GAIN_DIGITS}g}"))
    return RawFeatures(recordings.counts.shape[1], window_frames, hop_frames, tuple(offsets), tuple(gains))


def _training_counts(recordings: Recordings) -> Counts:
    return np.concatenate([recordings.frames(int(r)) for r in np.flatnonzero(~recordings.test)])
