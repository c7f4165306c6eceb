"""Normalisation per channel, learned from the training side."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tinyops.features import FrameFeatures
from tinyops.recordings import Counts, Recordings

GAIN_DIGITS = 6


def fit_features(rows: Recordings, features: FrameFeatures) -> FrameFeatures:
    """Features whose model input is `(value - offset[channel]) * gain[channel]`, learned from recordings in rows.

    Mean and spread of each channel are over all rows (and pixels) of the training side, summed in integers, so that
    every machine finds the same numbers. A row of staged features has a channel for each of its values.
    """
    offsets, gains = [], []
    counts, channels = _training_counts(rows), len(features.offset)
    for channel in range(channels):
        values = counts[:, channel::channels].astype(np.int64)
        number, total, squares = values.size, int(values.sum()), int((values * values).sum())
        spread = math.sqrt(max(number * squares - total * total, 0)) / number
        offsets.append(round(total / number))
        gains.append(float(f"{1 / max(spread, 1.0):.{GAIN_DIGITS}g}"))
    return replace(features, offset=tuple(offsets), gain=tuple(gains))


def _training_counts(recordings: Recordings) -> Counts:
    return np.concatenate([recordings.frames(int(r)) for r in np.flatnonzero(~recordings.test)])
