"""Features end to end: trained on the host's rows, quantised, compiled, and fed frames in the boards' twins."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinyops.squeeze
import tinyops.train
from fakes.staged import made_up_sound, staged
from tinyops import compiler, firmware, twin
from tinyops.artifacts import Progress, Step
from tinyops.boards import catalog_folder
from tinyops.boards.model import Board
from tinyops.compiler import image
from tinyops.documents import read
from tinyops.errors import ToolError
from tinyops.features.host import extract_rows
from tinyops.features.stages import LogMel, Mfcc
from tinyops.files import pretty_json
from tinyops.recordings import Recordings, save
from tinyops.specs.lock import SOURCES
from tinyops.specs.locking import own_pins
from tinyops.toolchain import installed
from tinyops.twin.golden import read_stream

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs the extra train: TensorFlow"),
]

RATE_HZ = 8000
SIGNAL = {
    "sensor": "microphone",
    "channels": ["audio"],
    "units": ["1"],
    "full_scale": [1.0],
    "rate_hz": float(RATE_HZ),
    "size": None,
}
CLASSES = ("low", "high", "noise")
FEATURES = [
    {"kind": "filter", "passes": "high", "order": 2, "corner_hz": [60.0]},
    {"kind": "log_mel", "length": 240, "step": 160, "fft": 256, "mels": 20, "low_hz": 80.0, "high_hz": 3800.0},
]
INPUT = {"features": FEATURES, "window_frames": 25, "hop_frames": 5, "frame_samples": 160}
CONVOLUTION = {"kind": "conv1d", "filters": 6, "kernel": 3, "stride": 2, "padding": "same"}
LAYERS = [CONVOLUTION | {"activation": "relu", "batch_norm": False}, {"kind": "global_average_pool"}]
BOARDS = ("microbit", "nano33ble", "linux")


def silent(_: Progress) -> None:
    pass


def run(step_function: Any, step: Step, inputs: dict[str, Path], out: Path) -> dict[str, Path]:
    out.mkdir(parents=True)
    step_function(step, inputs, out, silent)
    return {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}


def sounds() -> Recordings:
    """24 recordings of 0.7 s: a tone low or high, or noise alone."""
    rng = np.random.default_rng(5)
    counts = []
    for number in range(24):
        pitch_hz = (rng.uniform(150, 250), rng.uniform(1800, 2400), 0)[number % 3]
        wave = 9000 * np.sin(2 * np.pi * pitch_hz * np.arange(5600) / RATE_HZ + rng.uniform(0, 6))
        counts.append((wave + rng.normal(0, 600, 5600)).astype(np.int16)[:, None])
    labels = (np.arange(24) % 3).astype(np.int32)
    ids = tuple(f"r{n}" for n in range(24))
    return Recordings(np.concatenate(counts), np.arange(25, dtype=np.int64) * 5600, labels, np.arange(24) % 4 == 0, ids)


@pytest.fixture(scope="module")
def squeezed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the squeeze step makes, by name."""
    folder = tmp_path_factory.mktemp("features")
    save(sounds(), folder / "recordings.npz")
    (folder / "dataset.json").write_text(json.dumps({"schema": 1, "classes": CLASSES, "signal": SIGNAL}))
    data = {name: folder / name for name in ("recordings.npz", "dataset.json")}
    training = {"epochs": 12, "batch": 16, "learning_rate": 0.02, "seed": 1}
    settings = {"input": INPUT, "architecture": {"kind": "layers", "layers": LAYERS}, "training": training}
    trained = run(tinyops.train.run, Step("train", "x", settings), data, folder / "train")
    squeeze = Step("squeeze", "x/int8", {"variant": "int8", "input": INPUT})
    return run(tinyops.squeeze.run, squeeze, data | trained, folder / "squeeze")


def board_of(name: str) -> Board:
    (document,) = read(catalog_folder() / f"{name}.yaml")
    return Board.model_validate(document.value)


def prove(name: str, squeezed: dict[str, Path], folder: Path) -> dict[str, Any]:
    """Builds everything for a board from squeezed files; the twin's facts."""
    spec = board_of(name).spec
    tool = installed(spec.compiler)
    compilers = {"compiler": {"name": tool.name, "version": tool.version}}
    layout = spec.layout
    settings = {"cpu": spec.cpu, "board": name, "classes": list(CLASSES), "signal": SIGNAL}
    settings |= {"arena_bytes": layout.arena_bytes if layout else None}
    wanted = {n: squeezed[n] for n in ("int8.tflite", "features.json")}
    compiled = run(compiler.run, Step("compile", name, settings), wanted, folder / "compile")
    slot = {"cpu": spec.cpu, "board": name, "slot_bytes": layout.model[0].bytes if layout else None}
    built = run(image.run, Step("image", name, slot, compilers), compiled, folder / "image")
    facts = spec.model_dump(mode="json")
    sensor = {"kind": "stream", "port": "serial"}
    lock = compilers | {"platformio": "6.2.0", "scons": "4.11.1", "firmware": own_pins().firmware}
    lock["sources"] = dict(SOURCES)
    step = Step("firmware", f"f/{name}", {"board": name, "fleet": "f", "sensor": sensor, "facts": facts}, lock)
    flashed = run(firmware.run, step, {"contract.json": compiled["contract.json"]}, folder / "firmware")
    vectors = {n: squeezed[n] for n in ("golden.bin", "stream.bin")}
    described = {n: compiled[n] for n in ("contract.json", "compile.json")}
    out = folder / "twin"
    out.mkdir()
    twin_step = Step("twin", f"f/{name}", {"board": name, "facts": facts})
    return twin.run(twin_step, built | flashed | vectors | described, out, silent)


def test_training_and_squeezing_see_rows(squeezed: dict[str, Path]) -> None:
    metrics = json.loads(squeezed["metrics.json"].read_text())
    assert metrics["accuracy_int8"]["right"] == metrics["accuracy_int8"]["total"] == 6
    features = json.loads(squeezed["features.json"].read_text())
    assert (features["kind"], len(features["offset"]), features["frame_samples"]) == ("stages", 20, 160)
    assert len(features["stages"][0]["integers"][0]) == 5
    stream = read_stream(squeezed["stream.bin"])
    assert (len(stream.frames), len(stream.frames[0]), len(stream.results)) == (35, 160, 3)


def test_log_mel_and_mfcc_are_tensorflows() -> None:
    """tf.signal's short-time transform, mel matrix and cosine transform, in float32: within 0.02 dB of the 60 dB below
    the loudest band, and coefficients within 0.1 dB of each other."""
    import tensorflow as tf

    samples, stage = made_up_sound(), LogMel(480, 320, 512)
    waves = tf.constant(samples[None, :, 0], tf.float32)
    power = tf.abs(tf.signal.stft(waves, 480, 320, 512)) ** 2
    matrix = tf.signal.linear_to_mel_weight_matrix(40, 257, 16000, 20.0, 4000.0)
    logs = tf.math.log(tf.maximum(tf.matmul(power, matrix), 1.0))
    decibels, unit = 10 / np.log(10), 10 * np.log10(2) / 512
    wanted = logs[0].numpy() * decibels
    found = extract_rows(samples, staged(stage)) * unit
    assert found.shape == wanted.shape == (49, 40)
    loud = wanted > wanted.max() - 60
    assert np.sqrt(((found - wanted)[loud] ** 2).mean()) < 0.02
    cepstra = tf.signal.mfccs_from_log_mel_spectrograms(logs)[0, :, :13].numpy() * decibels
    cepstra[:, 0] /= np.sqrt(2)  # its first coefficient is not orthonormal
    mine = extract_rows(samples, staged(Mfcc(480, 320, 512))) * unit * np.sqrt(40)
    rows = loud.all(axis=1)
    assert rows.sum() > 10
    assert np.abs(mine - cepstra)[rows].max() < 0.1


@pytest.mark.parametrize("name", BOARDS)
def test_frames_in_a_twin_give_what_training_saw(name: str, squeezed: dict[str, Path], tmp_path: Path) -> None:
    facts = prove(name, squeezed, tmp_path)
    assert facts["bit_exact"] is True
    contract = json.loads((tmp_path / "compile" / "contract.json").read_text())
    assert [contract["input"][n] for n in ("frame_values", "window_frames", "hop_frames")] == [160, 25, 5]


def test_a_model_whose_filter_is_another_is_found_out(squeezed: dict[str, Path], tmp_path: Path) -> None:
    features = json.loads(squeezed["features.json"].read_text())
    features["stages"][0]["integers"][0][0] //= 2
    (tmp_path / "features.json").write_bytes(pretty_json(features))
    with pytest.raises(ToolError, match="linux: stream result 0: output byte"):
        prove("linux", squeezed | {"features.json": tmp_path / "features.json"}, tmp_path / "linux")
