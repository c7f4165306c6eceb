"""Training, quantisation and measurement for real: TensorFlow, the quantiser and TFLM's interpreter."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import struct
import textwrap
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinyops.collect
import tinyops.squeeze
import tinyops.train
from tinyops.artifacts import Progress, Step
from tinyops.errors import RemoteError, SpecError, ToolError
from tinyops.graph import read_graph
from tinyops.images import SEEDS, golden_input
from tinyops.recordings import Recordings, cut_windows, load, save
from tinyops.squeeze.oracle import run_vectors
from tinyops.twin.golden import read_golden

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs the extra train: TensorFlow"),
    pytest.mark.skipif(importlib.util.find_spec("ai_edge_quantizer") is None, reason="needs ai-edge-quantizer"),
]

SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
SIGNAL = {"sensor": "imu", "channels": ["ax", "ay"], "units": ["g", "g"], "full_scale": [2.0, 2.0], "rate_hz": 10.0}
INPUT = {"features": "raw", "window_frames": 16, "hop_frames": 8}
SUBJECTS = [f"s{n // 6}" for n in range(36)]
HELD = "s4"
CLASSES = ("slow", "fast", "still")
CONVOLUTION = {
    "kind": "conv1d",
    "filters": 8,
    "kernel": 3,
    "stride": 2,
    "padding": "same",
    "activation": "relu",
    "batch_norm": True,
}
LAYERS = {"kind": "layers", "layers": [CONVOLUTION, {"kind": "global_average_pool"}]}
PYTHON = {"kind": "python", "entry": "build", "args": {}}
TRAINING = {"epochs": 20, "batch": 16, "learning_rate": 0.01, "seed": 1}


def silent(_: Progress) -> None:
    pass


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Oscillations that a small net can tell apart: 12 recordings of 48 frames a class."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(3)
    recordings = []
    for number in range(36):
        speed = (0.3, 1.4, 0.0)[number % 3]
        phase = speed * np.arange(48) + rng.uniform(0, 6)
        wave = 12000 * np.stack([np.sin(phase), np.cos(phase)], axis=1) * (speed > 0)
        recordings.append((wave + rng.normal(0, 900, wave.shape)).astype(np.int16))
    offsets = np.arange(37, dtype=np.int64) * 48
    labels = (np.arange(36) % 3).astype(np.int32)
    test = np.arange(36) % 4 == 0
    ids = tuple(f"r{n}" for n in range(36))
    save(Recordings(np.concatenate(recordings), offsets, labels, test, ids), folder / "recordings.npz")
    described = {"schema": 1, "classes": CLASSES, "signal": {**SIGNAL, "size": None}}
    (folder / "dataset.json").write_text(json.dumps(described))
    return folder


def data_files(data: Path) -> dict[str, Path]:
    return {name: data / name for name in ("recordings.npz", "dataset.json")}


def train(
    data: Path, out: Path, architecture: dict[str, Any], source: str | None = None, **training: Any
) -> dict[str, Any]:
    out.mkdir()
    inputs = data_files(data)
    if source is not None:
        inputs["architecture.py"] = out.parent / f"{out.name}.py"
        inputs["architecture.py"].write_text(source)
    settings = {"input": INPUT, "architecture": architecture, "training": TRAINING | training, "revision": 1}
    return tinyops.train.run(Step("train", "x", settings), inputs, out, silent)


def squeeze(data: Path, trained: Path, out: Path, **more: Any) -> dict[str, Any]:
    out.mkdir()
    inputs = data_files(data) | {n: trained / n for n in ("float.tflite", "features.json", "training.json")}
    settings = {"variant": "int8", "input": INPUT, "revision": 1, **more}
    return tinyops.squeeze.run(Step("squeeze", "x/int8", settings), inputs, out, silent)


def squeeze_finished(
    model: Path, out: Path, data: Path | None = None, window: dict[str, Any] | None = None
) -> dict[str, Any]:
    out.mkdir()
    window = window or {"features": "tensor", "window_frames": 0, "hop_frames": 0}
    inputs = {"model.tflite": model} | (data_files(data) if data else {})
    settings = {"variant": "int8", "input": window, "revision": 1}
    return tinyops.squeeze.run(Step("squeeze", "x/int8", settings), inputs, out, silent)


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("train") / "out"
    train(data, out, LAYERS)
    return out


@pytest.fixture(scope="module")
def squeezed(data: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("squeeze") / "out"
    squeeze(data, trained, out)
    return out


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def golden(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    data = path.read_bytes()
    number, taken, given = struct.unpack("<III", data[4:16])
    pairs = np.frombuffer(data[16:], np.int8).reshape(number, taken + given)
    return pairs[:, :taken].copy(), pairs[:, taken:].copy()


# -- training ----------------------------------------------------------------------------------


def test_training_twice_gives_the_same_bytes_and_says_how_far_it_is(
    data: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Progress] = []
    (tmp_path / "again").mkdir()
    settings = {"input": INPUT, "architecture": LAYERS, "training": TRAINING, "revision": 1}
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "2")  # what the environment says must not matter: the step sets its own
    facts = tinyops.train.run(Step("train", "x", settings), data_files(data), tmp_path / "again", said.append)
    assert digests(tmp_path / "again") == digests(trained)
    assert [p.done for p in said] == [0, *range(1, 21), 20]
    assert "epoch 20/20  loss 0." in said[-2].message
    assert facts["accuracy_float"]["total"] == 9 and facts["accuracy_float"]["right"] >= 8
    assert facts["recordings"] == {"train": 27, "test": 9} and facts["windows"] == {"train": 135, "test": 45}
    assert facts["parameters"] == 8 * (2 * 3 + 2) + 3 * 9


def test_training_json_records_history_and_environment(trained: Path) -> None:
    record = json.loads((trained / "training.json").read_text())
    assert [e["epoch"] for e in record["history"]] == list(range(1, 21))
    assert record["history"][-1]["loss"] < record["history"][0]["loss"]
    assert {"tensorflow", "keras", "numpy", "machine", "threads"} <= set(record["environment"])
    assert str(trained) not in (trained / "training.json").read_text()


AUGMENT = [
    {"kind": "noise", "level": [0.0, 0.05]},
    {"kind": "shift", "at_most_s": 0.4},
    {"kind": "mask_time", "at_most_s": 0.3},
]


def test_augmented_training_is_deterministic_and_changes_weights_alone(
    data: Path, trained: Path, tmp_path: Path
) -> None:
    """Offsets, gains and so the device's features are of recordings as they are."""
    options: dict[str, Any] = {"augment": AUGMENT, "label_smoothing": 0.1, "epochs": 6, "copies": 2}
    for name in ("one", "two"):
        facts = train(data, tmp_path / name, LAYERS, **options)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert digests(tmp_path / "one")["features.json"] == digests(trained)["features.json"]
    assert facts["epochs"] == 6 and facts["windows"] == {"train": 135, "test": 45}


def test_steps_that_change_nothing_train_the_same_weights(data: Path, tmp_path: Path) -> None:
    """Epochs that each have inputs of their own are the epochs of one fit: optimiser, rate and order go on."""
    idle = [{"kind": "scale", "factor": [1.0, 1.0]}]
    train(data, tmp_path / "plain", LAYERS, epochs=5)
    train(data, tmp_path / "idle", LAYERS, epochs=5, augment=idle)
    assert digests(tmp_path / "plain")["float.tflite"] == digests(tmp_path / "idle")["float.tflite"]


def test_a_loss_that_is_no_number_is_an_error(data: Path, tmp_path: Path) -> None:
    layers = {"kind": "layers", "layers": [CONVOLUTION | {"batch_norm": False}, {"kind": "flatten"}]}
    with pytest.raises(SpecError, match="training: the loss is nan after epoch") as caught:
        train(data, tmp_path / "x", layers, learning_rate=1e30)
    assert "learning_rate" in caught.value.hint


BODY = """
    import keras
    start = keras.Input(input_shape)
    flat = keras.layers.Flatten()(start)
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (" return 3", "returned int, wanted a keras.Model"),
        (BODY + "    return keras.Model(start, flat)", r"the model's output is \[32\], wanted \[3\]"),
        (BODY + "    return keras.Model(start, keras.layers.Dense(classes)(flat))", "sum to 0, wanted 1"),
    ],
)
def test_models_of_another_shape_are_refused(data: Path, tmp_path: Path, body: str, message: str) -> None:
    source = "# mine\nprint('what I print is nobody\\'s event')\ndef build(input_shape, classes, **args):" + body
    with pytest.raises(SpecError, match=message):
        train(data, tmp_path / "x", PYTHON, source)


def test_a_training_that_is_killed_is_a_tool_error(data: Path, tmp_path: Path) -> None:
    source = "import os, signal\ndef build(*_):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    with pytest.raises(ToolError, match="training failed: killed by SIGKILL"):
        train(data, tmp_path / "x", PYTHON, source)


def test_packages_that_differ_from_the_lock_are_all_named(tmp_path: Path) -> None:
    lock = {"tensorflow-cpu": "1.0", "numpy": None, "no-such-package": "2"}
    with pytest.raises(ToolError) as caught:
        tinyops.train.run(Step("train", "x", {}, lock), {}, tmp_path, silent)
    assert "tensorflow-cpu: the lock wants 1.0, installed is" in caught.value.message
    assert "no-such-package: the lock wants 2, it is not installed" in caught.value.message
    assert "tinyops[train]" in caught.value.hint


# -- squeezing ---------------------------------------------------------------------------------


def test_the_int8_model_is_integers_throughout(squeezed: Path) -> None:
    graph = read_graph(squeezed / "int8.tflite")
    assert {t.dtype for t in graph.tensors} <= {"int8", "int32"}
    assert [graph.tensors[i].dtype for i in (*graph.inputs, *graph.outputs)] == ["int8", "int8"]


def test_squeezing_twice_gives_the_same_bytes(data: Path, trained: Path, squeezed: Path, tmp_path: Path) -> None:
    facts = squeeze(data, trained, tmp_path / "again")
    assert digests(tmp_path / "again") == digests(squeezed)
    assert facts["accuracy_int8"]["total"] == 9 and facts["accuracy_int8"]["right"] >= 8
    assert facts["accuracy_float"] == json.loads((trained / "training.json").read_text())["accuracy_float"]
    assert sum(facts["reference"]["classes"].values()) == 135 and sum(facts["reference"]["confidence"]) == 45
    assert json.loads((squeezed / "metrics.json").read_text())["reference"] == facts["reference"]


def test_calibration_saw_the_training_side_only(data: Path, squeezed: Path) -> None:
    recordings = load(data / "recordings.npz")
    training = {i for i, test in zip(recordings.ids, recordings.test, strict=True) if not test}
    record = json.loads((squeezed / "calibration.json").read_text())
    assert set(record["recordings"]) <= training
    assert record["windows"] == 135 and record["side"] == "train"


def test_calibration_ranges_are_the_extremes(data: Path, trained: Path, squeezed: Path) -> None:
    recordings = load(data / "recordings.npz")
    windows = cut_windows(recordings, test=False, window_frames=16, hop_frames=8)
    features = json.loads((trained / "features.json").read_text())
    inputs = (windows.counts.astype(float) - features["offset"]) * features["gain"]
    record = json.loads((squeezed / "calibration.json").read_text())
    assert record["ranges"]["serving_default_input:0"] == pytest.approx([inputs.min(), inputs.max()], rel=1e-6)
    assert record["input"]["scale"] == pytest.approx((inputs.max() - inputs.min()) / 255, rel=1e-6)


def test_golden_vectors_are_what_the_interpreter_computes(squeezed: Path) -> None:
    inputs, outputs = golden(squeezed / "golden.bin")
    assert inputs.shape == (16, 32) and outputs.shape == (16, 3)
    assert (run_vectors(squeezed / "int8.tflite", inputs) == outputs).all()
    assert len({o.tobytes() for o in outputs}) > 3


def test_the_first_golden_vector_is_the_self_test_of_a_seed(squeezed: Path) -> None:
    inputs, outputs = golden(squeezed / "golden.bin")
    found = read_golden(squeezed / "golden.bin").self_test
    assert found is not None and golden_input(found.seed, 32) == inputs[0].tobytes()
    assert found.crc == zlib.crc32(run_vectors(squeezed / "int8.tflite", inputs[:1]).tobytes())
    others = [run_vectors(squeezed / "int8.tflite", np.frombuffer(golden_input(s, 32), np.int8)[None]) for s in SEEDS]
    assert len(np.unique(outputs[0])) == max(len(np.unique(other)) for other in others)


def test_an_operator_without_int8_is_refused_by_name(data: Path, tmp_path: Path) -> None:
    source = (
        "import keras\nfrom keras import layers\n"
        "def build(input_shape, classes, width):\n"
        "    start = keras.Input(input_shape, name='input')\n"
        "    hidden = layers.Dense(width, activation='elu')(layers.Flatten()(start))\n"
        "    return keras.Model(start, layers.Dense(classes, activation='softmax')(hidden))\n"
    )
    train(data, tmp_path / "elu", PYTHON | {"args": {"width": 8}}, source, epochs=1)
    with pytest.raises(SpecError, match="int8 has no form of ELU in layer dense"):
        squeeze(data, tmp_path / "elu", tmp_path / "out")


# -- calibration and layers --------------------------------------------------------------------

UNEVEN = """
    import keras
    from keras import layers

    def build(input_shape, classes, **args):
        start = keras.Input(input_shape, name="input")
        first = layers.Dense(8, activation="relu", name="first")(layers.Flatten(name="flat")(start))
        uneven = layers.Dense(16, activation="relu", name="uneven")
        tensor = layers.Dense(8, activation="relu", name="after")(uneven(first))
        network = keras.Model(start, layers.Dense(classes, activation="softmax", name="classes")(tensor))
        kernel, bias = uneven.get_weights()
        kernel[:, 3], bias[3] = 0.0, -1.0
        kernel[0, 3] = -6000.0  # a unit that never answers, and takes the scale of all
        uneven.set_weights([kernel, bias])
        return network
"""


def test_the_layer_that_one_unit_spoils_is_named_as_the_worst(data: Path, tmp_path: Path) -> None:
    """With one scale a tensor, every other weight of the layer rounds to nothing."""
    train(data, tmp_path / "uneven", PYTHON, textwrap.dedent(UNEVEN), epochs=1)
    facts = squeeze(data, tmp_path / "uneven", tmp_path / "out", variant={"per": "tensor"})
    worst = facts["layers"]["worst"][0]
    assert (worst["layer"], worst["operator"]) == ("uneven", "FULLY_CONNECTED") and worst["lost_db"] > 20
    record = json.loads((tmp_path / "out" / "layers.json").read_text())
    assert record["side"] == "train" and record["windows"] == 64
    assert [its["layer"] for its in record["layers"]] == ["flat", "first", "uneven", "after", "classes", "output"]


def test_a_recording_that_sets_a_range_alone_is_named(data: Path, tmp_path: Path) -> None:
    clean = load(data / "recordings.npz")
    counts = clean.counts // 4
    spoiled = int(np.flatnonzero(~clean.test)[7])
    counts[clean.offsets[spoiled] + 20] = 32000
    (tmp_path / "dataset.json").write_text((data / "dataset.json").read_text())
    save(replace(clean, counts=counts), tmp_path / "recordings.npz")
    train(tmp_path, tmp_path / "train", LAYERS, epochs=1)
    facts = squeeze(tmp_path, tmp_path / "train", tmp_path / "out")
    outliers = {found["tensor"]: found for found in facts["calibration"]["outliers"]}
    assert outliers["input"]["recordings"] == [clean.ids[spoiled]] and outliers["input"]["factor"] > 3
    record = json.loads((tmp_path / "out" / "calibration.json").read_text())
    assert record["by_class"] == {"slow": 45, "fast": 45, "still": 45}
    assert [step["windows"] for step in record["steps"]] == [32, 64, 128, 135][: len(record["steps"])]


# -- the validation side -----------------------------------------------------------------------


def test_what_is_held_back_is_measured_apart_and_nothing_learns_from_it(data: Path, tmp_path: Path) -> None:
    """The subject that is held back is turned into noise: weights, gains and ranges stay as they were."""
    (tmp_path / "groups.json").write_text(json.dumps({"schema": 1, "by": "subject", "groups": SUBJECTS}))
    clean = load(data / "recordings.npz")
    settings = {"input": INPUT, "architecture": LAYERS, "training": TRAINING, "validation": True}
    found: dict[bool, dict[str, Any]] = {}
    for noisy in (False, True):
        folder = tmp_path / f"noisy-{noisy}"
        (folder / "train").mkdir(parents=True)
        (folder / "dataset.json").write_text((data / "dataset.json").read_text())
        counts = clean.counts.copy()
        for number in np.flatnonzero((np.array(SUBJECTS) == HELD) & ~clean.test) if noisy else ():
            here = slice(clean.offsets[number], clean.offsets[number + 1])
            counts[here] = np.random.default_rng(1).integers(-32768, 32767, counts[here].shape)
        save(replace(clean, counts=counts), folder / "recordings.npz")
        inputs = data_files(folder) | {"groups.json": tmp_path / "groups.json"}
        facts = tinyops.train.run(Step("train", "x", settings), inputs, folder / "train", silent)
        assert facts["validation"] == {"by": "subject", "groups": [HELD], "recordings": 4, "missing": []}
        assert facts["recordings"] == {"train": 23, "test": 9}
        found[noisy] = squeeze(folder, folder / "train", folder / "squeeze")
        assert found[noisy]["recordings"] == {"train": 23, "test": 9, "validation": 4}
    for name in ("int8.tflite", "features.json", "calibration.json"):
        assert digests(tmp_path / "noisy-False/squeeze")[name] == digests(tmp_path / "noisy-True/squeeze")[name]
    assert found[False]["accuracy_int8"] == found[True]["accuracy_int8"]
    clean_right, noisy_right = (found[noisy]["validation"]["accuracy"]["right"] for noisy in (False, True))
    assert clean_right >= 3 and noisy_right < clean_right
    assert found[True]["validation"]["recordings"] == 4 and found[True]["validation"]["windows"] == 20


# -- finished models ---------------------------------------------------------------------------


def test_a_finished_model_without_data_gets_golden_vectors(squeezed: Path, tmp_path: Path) -> None:
    facts = squeeze_finished(squeezed / "int8.tflite", tmp_path / "out")
    assert (facts["accuracy_int8"], facts["golden_vectors"]) == (None, 16)
    assert (tmp_path / "out" / "int8.tflite").read_bytes() == (squeezed / "int8.tflite").read_bytes()
    assert json.loads((tmp_path / "out" / "features.json").read_text()) == {"kind": "tensor"}
    assert sorted([*digests(tmp_path / "out"), "stream.bin", "layers.json"]) == sorted(digests(squeezed))


def test_a_finished_model_with_data_is_measured(data: Path, squeezed: Path, tmp_path: Path) -> None:
    facts = squeeze_finished(squeezed / "int8.tflite", tmp_path / "out", data, INPUT)
    assert facts["accuracy_int8"]["total"] == 9 and facts["accuracy_float"] is None
    features = json.loads((tmp_path / "out" / "features.json").read_text())
    assert features["gain"] == [2.0 / 32768] * 2 and features["offset"] == [0, 0]


def test_a_finished_model_of_another_window_is_refused(data: Path, squeezed: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"takes 32 values, a window of the dataset has \[8, 2\], 16 values"):
        squeeze_finished(squeezed / "int8.tflite", tmp_path / "out", data, INPUT | {"window_frames": 8})


def test_a_finished_float_model_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is not quantised: operator 0 ") as caught:
        squeeze_finished(trained / "float.tflite", tmp_path / "out")
    assert "TFLITE_BUILTINS_INT8" in caught.value.hint


@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet_quant", "ad01_int8"])
def test_published_models_are_taken_as_they_are(name: str, tmp_path: Path) -> None:
    model = SHARED / "models" / "mlperf_tiny" / f"{name}.tflite"
    if not model.exists():
        pytest.skip(f"{model} is not there")
    facts = squeeze_finished(model, tmp_path / "out")
    inputs, outputs = golden(tmp_path / "out" / "golden.bin")
    assert facts["model_bytes"] == model.stat().st_size
    assert (run_vectors(model, inputs) == outputs).all()


# -- the oracle --------------------------------------------------------------------------------


def test_inputs_of_another_size_are_refused(squeezed: Path) -> None:
    with pytest.raises(SpecError, match=r"inputs of \[2, 31\] do not fit the model's input \[1, 16, 2\]"):
        run_vectors(squeezed / "int8.tflite", np.zeros((2, 31), np.int8))


def test_a_file_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "junk.tflite").write_bytes(b"\x00\x01TFL3" * 40)
    with pytest.raises((SpecError, ToolError)):
        run_vectors(tmp_path / "junk.tflite", np.zeros((1, 4), np.int8))


def test_the_oracle_is_stopped_when_it_takes_too_long(squeezed: Path) -> None:
    with pytest.raises(ToolError, match=r"stopped after 0\.01 s"):
        run_vectors(squeezed / "int8.tflite", np.zeros((1, 32), np.int8), timeout_s=0.01)


# -- real data ---------------------------------------------------------------------------------


def test_basic_motions_are_learned_from_the_wheel(tmp_path: Path) -> None:
    source = {
        "kind": "wheel",
        "package": "sktime",
        "version": "1.2.0",
        "sha256": "sha256:dbffc6731d2d683b668dceb5e2bbc5804bebc8446b4c580803a281684d90e4ae",
        "members": ["sktime/datasets/data/BasicMotions/BasicMotions_*.ts"],
        "format": "ts",
    }
    signal = {
        "sensor": "imu",
        "channels": ["ax", "ay", "az", "gx", "gy", "gz"],
        "units": ["m/s2"] * 3 + ["rad/s"] * 3,
        "full_scale": [39.2266] * 3 + [34.9066] * 3,
        "rate_hz": 10,
    }
    dataset = {
        "classes": ["Standing", "Walking", "Running", "Badminton"],
        "signal": signal,
        "sources": [source],
        "split": {"test": 0.5, "seed": 7},
    }
    data = tmp_path / "data"
    data.mkdir()
    try:
        tinyops.collect.run(Step("collect", "m", {"dataset": dataset}), {}, data, silent)
    except RemoteError as error:
        pytest.skip(f"the wheel cannot be fetched: {error.message.splitlines()[0]}")
    window = {"features": "raw", "window_frames": 40, "hop_frames": 10}
    layer = CONVOLUTION | {"kernel": 5, "filters": 16}
    layers = {"kind": "layers", "layers": [layer, layer | {"filters": 24}, {"kind": "global_average_pool"}]}
    training = {"epochs": 30, "batch": 32, "learning_rate": 0.003, "seed": 1}
    settings = {"input": window, "architecture": layers, "training": training, "revision": 1}
    out = tmp_path / "train"
    out.mkdir()
    tinyops.train.run(Step("train", "m", settings), data_files(data), out, silent)
    inputs = data_files(data) | {n: out / n for n in ("float.tflite", "features.json", "training.json")}
    done = tmp_path / "squeeze"
    done.mkdir()
    facts = tinyops.squeeze.run(Step("squeeze", "m/int8", {"input": window}), inputs, done, silent)
    assert facts["accuracy_int8"]["total"] == 40
    assert facts["accuracy_int8"]["low"] > 0.8
    assert abs(facts["int8_loss"]) <= 0.05
