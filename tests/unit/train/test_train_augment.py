"""Augmentation: what each step does to samples or rows, that seeds decide, and that the test side is never touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyops.errors import SpecError
from tinyops.features import RawFeatures
from tinyops.recordings import Recordings, Windows, cut_windows
from tinyops.train.augment.edges import mirrored
from tinyops.train.augment.kind import Rows
from tinyops.train.augment.registry import ON_ROWS, ON_SAMPLES
from tinyops.train.augment.varied import Augmentation, read_augmentation, training_side, varied
from tinyops.train.epochs import EpochInputs

SIGNAL = {"channels": ["ax", "ay", "az"], "rate_hz": 100.0}
CLASSES = ("still", "shake")
LENGTH = 200
TRAIN_BACKGROUND, TEST_BACKGROUND = 5000, -20000


def recordings() -> Recordings:
    """Two of each class; those for the test are of other values, so that one of them anywhere would show."""
    rng = np.random.default_rng(1)
    still = np.full((LENGTH, 3), TRAIN_BACKGROUND)
    shake = rng.normal(0, 3000, (LENGTH, 3))
    counts = np.concatenate([still, np.full((LENGTH, 3), TEST_BACKGROUND), shake, shake + 1]).astype(np.int16)
    test = np.array([False, True, False, True])
    return Recordings(counts, np.arange(5) * LENGTH, np.array([0, 0, 1, 1], np.int32), test, ("a", "b", "c", "d"))


def augmentation(*steps: dict[str, Any], seed: int = 1) -> Augmentation:
    return read_augmentation({"augment": list(steps), "seed": seed}, SIGNAL, CLASSES, recordings(), {})


def one(step: dict[str, Any], samples: Sequence[Sequence[float]] | np.ndarray, copy: int = 0) -> np.ndarray:  # type: ignore[type-arg]
    return augmentation(step).samples(np.array(samples, np.int16), "a", copy)


EVERY_STEP = (
    {"kind": "noise", "level": [0.01, 0.02]},
    {"kind": "shift", "at_most_s": 0.5},
    {"kind": "scale", "factor": [0.5, 2.0]},
    {"kind": "speed", "factor": [0.8, 1.2]},
    {"kind": "rotate", "at_most_deg": 30, "channels": [["ax", "ay", "az"]]},
    {"kind": "mix", "of": "still", "factor": [0.1, 1.0]},
)


@pytest.mark.parametrize("step", EVERY_STEP, ids=lambda s: s["kind"])
def test_a_step_changes_samples_by_seed_copy_and_recording_alone(step: dict[str, Any]) -> None:
    samples = recordings().frames(2)
    first = augmentation(step).samples(samples, "c", 0)
    assert first.shape == samples.shape and (first != samples).any()
    assert (augmentation(step).samples(samples, "c", 0) == first).all()
    assert (augmentation(step, seed=2).samples(samples, "c", 0) != first).any()
    assert (augmentation(step).samples(samples, "c", 1) != first).any()
    assert (augmentation(step).samples(samples, "other", 0) != first).any()


def test_every_step_on_samples_is_tried_here() -> None:
    assert len(EVERY_STEP) == len(ON_SAMPLES)


def test_what_a_recording_becomes_does_not_depend_on_the_others() -> None:
    steps = augmentation(*EVERY_STEP)
    whole = training_side(recordings())
    alone = Recordings(whole.frames(1), np.array([0, LENGTH]), whole.labels[1:], whole.test[1:], whole.ids[1:])
    assert (varied(alone, steps, 3).counts == varied(whole, steps, 3).frames(1)).all()


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    noisy = one({"kind": "noise", "level": [0.1, 0.1]}, np.zeros((20000, 3)))
    assert noisy.std() == pytest.approx(0.1 * 32768, rel=0.02)


def test_a_shift_goes_on_mirrored() -> None:
    ramp = (np.arange(10)[:, None] * np.ones(3)).astype(np.int16)
    moved = {tuple(one({"kind": "shift", "at_most_s": 0.02}, ramp, copy)[:, 0].tolist()) for copy in range(40)}
    earlier = {(1, 2, 3, 4, 5, 6, 7, 8, 9, 8), (2, 3, 4, 5, 6, 7, 8, 9, 8, 7)}
    later = {(1, 0, 1, 2, 3, 4, 5, 6, 7, 8), (2, 1, 0, 1, 2, 3, 4, 5, 6, 7)}
    assert moved == earlier | later | {tuple(range(10))}


def test_places_beyond_the_ends_are_mirrored_any_number_of_times() -> None:
    assert mirrored(np.arange(-5, 10), 3).tolist() == [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1]
    assert mirrored(np.array([-0.5, 2.5, 4.25]), 3).tolist() == [0.5, 1.5, 0.25]
    assert mirrored(np.array([-1, 0, 7]), 1).tolist() == [0, 0, 0]


def test_scaled_samples_saturate_and_keep_their_ratio() -> None:
    assert one({"kind": "scale", "factor": [2, 2]}, [[100, -300, 20000]]).tolist() == [[200, -600, 32767]]


def test_speed_keeps_the_middle_and_the_length() -> None:
    ramp = (np.arange(101)[:, None] * np.ones(3) * 100).astype(np.int16)
    faster = one({"kind": "speed", "factor": [2, 2]}, ramp)
    assert faster.shape == ramp.shape and faster[50, 0] == ramp[50, 0] and faster[60, 0] == ramp[70, 0]
    assert faster[25, 0] == 0 and faster[0, 0] == ramp[50, 0] and faster[100, 0] == ramp[50, 0]  # mirrored


def test_a_rotation_keeps_the_length_of_what_is_felt() -> None:
    samples = recordings().frames(2)
    turned = one({"kind": "rotate", "at_most_deg": 180, "channels": [["az", "ax", "ay"]]}, samples)
    lengths = [np.linalg.norm(s.astype(float), axis=1) for s in (samples, turned)]
    assert np.abs(lengths[0] - lengths[1]).max() < 1.5


def test_backgrounds_are_of_the_training_side_alone() -> None:
    steps = augmentation({"kind": "mix", "of": "still", "factor": [1, 1]})
    silent = np.zeros((LENGTH, 3), np.int16)
    heard = {int(v) for copy in range(50) for v in np.unique(steps.samples(silent, "a", copy))}
    assert heard == {TRAIN_BACKGROUND}


def test_a_background_class_without_training_recordings_is_refused() -> None:
    only_test = replace(recordings(), test=np.array([True, True, False, True]))
    training = {"augment": [{"kind": "mix", "of": "still", "factor": [0, 1]}], "seed": 1}
    with pytest.raises(SpecError, match="class 'still' has no recordings on the training side"):
        read_augmentation(training, SIGNAL, CLASSES, only_test, {})


def test_a_background_may_come_from_another_datasets_training_side() -> None:
    other = (recordings(), ("shake", "hum"))  # its first class is called otherwise
    step = {"kind": "mix", "of": "shake", "dataset": "noises", "factor": [1, 1]}
    steps = read_augmentation({"augment": [step], "seed": 1}, SIGNAL, CLASSES, recordings(), {"noises": other})
    assert set(np.unique(steps.samples(np.zeros((9, 3), np.int16), "a", 0))) == {TRAIN_BACKGROUND}


def test_the_test_side_is_refused() -> None:
    with pytest.raises(AssertionError, match="training side"):
        varied(recordings(), augmentation(*EVERY_STEP), 0)


def test_chance_leaves_recordings_as_they_are() -> None:
    steps = augmentation({"kind": "scale", "factor": [2, 2], "chance": 0.25})
    samples = np.full((4, 3), 10, np.int16)
    doubled = sum(int(steps.samples(samples, "a", copy)[0, 0] == 20) for copy in range(400))
    assert 60 < doubled < 140


def rows() -> Rows:
    return Rows(0.02, 2, np.arange(10) * 100)


def masked(step: dict[str, Any], copies: int = 200) -> np.ndarray:  # type: ignore[type-arg]
    windows = np.full((1, 20, 10), 7, np.int16)
    steps = augmentation(step)
    found = np.concatenate([steps.mask(windows, rows(), copy) for copy in range(copies)])
    assert (windows == 7).all(), "the windows themselves stay"
    return found


def test_a_mask_in_time_holds_rows_at_their_means() -> None:
    found = masked({"kind": "mask_time", "at_most_s": 0.1})
    whole = (found == rows().means).all(axis=2)
    assert ((found == 7).all(axis=2) | whole).all()
    assert whole.sum(axis=1).max() == 5 and whole.sum(axis=1).min() == 0
    assert whole.any(axis=0).all(), "any row may be masked"
    assert (np.abs(np.diff(whole.astype(int), axis=1)).sum(axis=1) <= 2).all(), "in one piece"


def test_a_mask_of_bands_takes_all_channels_of_a_band() -> None:
    found = masked({"kind": "mask_bands", "at_most": 3})
    bands = (found[:, 0].reshape(-1, 5, 2) == rows().means.reshape(5, 2)).all(axis=2)
    touched = (found[:, 0].reshape(-1, 5, 2) != 7).any(axis=2)
    assert (bands == touched).all() and bands.sum(axis=1).max() == 3
    assert bands.any(axis=0).all() and (found == found[:, :1]).all(), "every row alike"


def test_every_mask_is_tried_here() -> None:
    assert len(ON_ROWS) == 2


def raw(window: int = 50, hop: int = 25) -> RawFeatures:
    return RawFeatures(3, window, hop, (0, 0, 0), (1.0, 1.0, 1.0))


def epochs(**training: Any) -> tuple[EpochInputs, Windows]:
    features, found = raw(), recordings()
    windows = cut_windows(found, test=False, window_frames=50, hop_frames=25)
    request = {"training": {"seed": 1, **training}, "signal": SIGNAL, "classes": CLASSES, "input_shape": [50, 3]}
    return EpochInputs(found, windows, features, request), windows


def test_without_augmentation_all_epochs_share_the_windows() -> None:
    inputs, windows = epochs()
    assert not inputs.change
    assert (inputs.of(0) == windows.counts).all()


def test_each_epoch_sees_another_variation_of_as_many_windows() -> None:
    inputs, windows = epochs(augment=[{"kind": "scale", "factor": [0.5, 2.0]}])
    assert inputs.change
    first, second = inputs.of(0), inputs.of(1)
    assert first.shape == second.shape == windows.counts.shape
    assert (first != second).any() and (inputs.of(0) == first).all()
    # Labels belong to windows by their order: a scaled window is a multiple of the one at its place.
    assert np.abs(np.sign(first) - np.sign(windows.counts))[np.abs(windows.counts) > 5].max() == 0


def test_copies_are_taken_in_turn() -> None:
    inputs, _ = epochs(augment=[{"kind": "scale", "factor": [0.5, 2.0]}], copies=2)
    made = [inputs.of(epoch) for epoch in range(4)]
    assert (made[0] == made[2]).all() and (made[1] == made[3]).all() and (made[0] != made[1]).any()


def test_masks_differ_between_epochs_that_share_a_copy() -> None:
    inputs, _ = epochs(augment=[{"kind": "mask_time", "at_most_s": 0.2}], copies=1)
    assert (inputs.of(0) != inputs.of(1)).any()


def test_no_epoch_sees_the_test_side(tmp_path: Path) -> None:
    inputs, _ = epochs(augment=[{"kind": "mix", "of": "still", "factor": [0, 1]}])
    assert min(float(inputs.of(epoch)[:7].min()) for epoch in range(20)) >= 0  # of class still; -20000 is the test's
