"""Normalisation comes from the training side alone, exactly."""

import numpy as np
import pytest

from tinyops.features import RawFeatures
from tinyops.features.values import float_inputs
from tinyops.recordings import Recordings
from tinyops.train.normalise import fit_features


def recordings(train: np.ndarray, test: np.ndarray) -> Recordings:  # type: ignore[type-arg]
    counts = np.concatenate([train, test]).astype(np.int16)
    offsets = np.array([0, len(train), len(counts)], np.int64)
    return Recordings(counts, offsets, np.array([0, 1], np.int32), np.array([False, True]), ("a", "b"))


def raw(values: int, channels: int, window: int, hop: int) -> RawFeatures:
    return RawFeatures(values, window, hop, (0,) * channels, (1.0,) * channels)


def test_training_frames_become_zero_mean_and_unit_spread() -> None:
    rng = np.random.default_rng(1)
    train = rng.normal([500, -20000], [300, 4000], (400, 2))
    test = np.full((50, 2), 32767)
    features = fit_features(recordings(train, test), raw(2, 2, 4, 2))
    assert (features.frame_values, features.window_frames, features.hop_frames) == (2, 4, 2)
    inputs = float_inputs(recordings(train, test).counts[:400], features)
    assert np.abs(inputs.mean(axis=0)).max() < 0.01
    assert inputs.std(axis=0) == pytest.approx([1, 1], abs=1e-3)


def test_an_images_channel_has_one_entry_for_all_pixels() -> None:
    images = np.array([[0, 10, 2, 30, 4, 50], [0, 10, 2, 30, 4, 50]])  # three pixels of two channels
    features = fit_features(recordings(images, images), raw(6, 2, 1, 1))
    assert features.offset == (2, 30) and features.frame_values == 6


def test_a_channel_that_never_changes_is_left_as_it_is() -> None:
    frames = np.full((10, 1), 77)
    features = fit_features(recordings(frames, frames), raw(1, 1, 2, 1))
    assert (features.offset, features.gain) == ((77,), (1.0,))
