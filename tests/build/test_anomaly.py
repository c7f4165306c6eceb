"""An autoencoder with a threshold, trained, quantised and judged for real."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import tinyops.squeeze
import tinyops.train
from tinyops.artifacts import Progress, Step
from tinyops.errors import SpecError
from tinyops.recordings import Recordings, save

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs the extra train: TensorFlow"),
]

SIGNAL = {"sensor": "imu", "channels": ["ax", "ay"], "units": ["g", "g"], "full_scale": [2.0, 2.0], "rate_hz": 10.0}
INPUT = {"features": "raw", "window_frames": 16, "hop_frames": 8}
CLASSES = ("odd", "turning")
FRAMES = 48


def silent(_: Progress) -> None:
    pass


def write(folder: Path, normal: int, odd: int) -> dict[str, Path]:
    """Circles of one speed are normal; on the test side are circles of another speed and jolts, too."""
    rng = np.random.default_rng(5)
    arrays = []
    for number in range(normal + odd):
        speed = 0.5 if number < normal else (1.7, 0.0)[number % 2]
        phase = speed * np.arange(FRAMES) + rng.uniform(0, 6)
        wave = 12000 * np.stack([np.sin(phase), np.cos(phase)], axis=1)
        arrays.append((wave + rng.normal(0, 600, wave.shape)).astype(np.int16))
    labels = np.array([1] * normal + [0] * odd, np.int32)
    test = (np.arange(normal + odd) % 4 == 0) | (labels == 0)
    offsets = np.arange(normal + odd + 1, dtype=np.int64) * FRAMES
    ids = tuple(f"r{n}" for n in range(normal + odd))
    save(Recordings(np.concatenate(arrays), offsets, labels, test, ids), folder / "recordings.npz")
    described = {"schema": 1, "classes": CLASSES, "normal": "turning", "signal": {**SIGNAL, "size": None}}
    (folder / "dataset.json").write_text(json.dumps(described))
    return {name: folder / name for name in ("recordings.npz", "dataset.json")}


def step(false_alarms: float) -> Step:
    architecture = {"kind": "autoencoder", "units": [12, 3, 12], "false_alarms": false_alarms}
    training = {"epochs": 60, "batch": 16, "learning_rate": 0.01, "seed": 1}
    return Step("train", "x", {"input": INPUT, "architecture": architecture, "training": training, "revision": 1})


def test_what_was_never_seen_is_found_by_the_int8_model(tmp_path: Path) -> None:
    inputs, trained, squeezed = write(tmp_path, 40, 20), tmp_path / "train", tmp_path / "squeeze"
    trained.mkdir()
    squeezed.mkdir()
    facts = tinyops.train.run(step(0.05), inputs, trained, silent)
    assert facts["auc_float"] > 0.99
    assert facts["held_out"] == 30  # of 30 training recordings every fifth, five windows each
    assert facts["recall_float"]["odd"]["right"] == 20
    files = inputs | {n: trained / n for n in ("float.tflite", "features.json", "training.json")}
    found = tinyops.squeeze.run(
        Step("squeeze", "x/int8", {"variant": "int8", "input": INPUT, "revision": 1}), files, squeezed, silent
    )
    assert found["recall"]["odd"]["right"] == 20
    assert found["recall"]["turning"]["right"] >= 9  # of 10
    calibration = json.loads((squeezed / "calibration.json").read_text())
    assert {int(name[1:]) for name in calibration["recordings"]} <= set(range(40))


def test_a_larger_share_of_false_alarms_lowers_the_threshold(tmp_path: Path) -> None:
    inputs = write(tmp_path, 40, 4)
    thresholds = []
    for share in (0.02, 0.4):
        out = tmp_path / f"train-{share}"
        out.mkdir()
        thresholds.append(tinyops.train.run(step(share), inputs, out, silent)["threshold"])
    assert thresholds[1] < thresholds[0]


def test_too_little_that_is_normal_is_refused(tmp_path: Path) -> None:
    inputs, out = write(tmp_path, 1, 2), tmp_path / "train"
    recordings = dict(np.load(inputs["recordings.npz"]))
    recordings["test"][0] = False
    ids = tuple(recordings.pop("ids").tolist())
    counts = recordings["counts"][:FRAMES]
    keep = Recordings(
        np.concatenate([counts[:16], recordings["counts"][FRAMES:]]),
        np.array([0, 16, 16 + FRAMES, 16 + 2 * FRAMES], np.int64),
        recordings["labels"],
        recordings["test"],
        ids,
    )
    save(keep, inputs["recordings.npz"])
    out.mkdir()
    with pytest.raises(SpecError, match="1 normal windows are too few"):
        tinyops.train.run(step(0.05), inputs, out, silent)
