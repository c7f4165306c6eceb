"""Variants trained for real: smaller networks compute what the kept channels computed, zeros survive int8."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinyops.squeeze
import tinyops.train
from tinyops.artifacts import Progress, Step
from tinyops.errors import SpecError
from tinyops.graph import read_graph
from tinyops.recordings import Recordings, save

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs the extra train: TensorFlow"),
    pytest.mark.skipif(importlib.util.find_spec("ai_edge_quantizer") is None, reason="needs ai-edge-quantizer"),
]

SIGNAL = {"sensor": "imu", "channels": ["ax", "ay"], "units": ["g", "g"], "full_scale": [2.0, 2.0], "rate_hz": 10.0}
INPUT = {"features": "raw", "window_frames": 16, "hop_frames": 8}
CONVOLUTION = {"kind": "conv1d", "filters": 8, "kernel": 3, "stride": 2, "padding": "same", "activation": "relu"}
LAYERS = [CONVOLUTION | {"batch_norm": True}, CONVOLUTION | {"batch_norm": False, "stride": 1}, {"kind": "flatten"}]
TRAINING = {"epochs": 6, "batch": 16, "learning_rate": 0.01, "seed": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Oscillations that a small net can tell apart: 12 recordings of 48 frames a class."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(3)
    recordings = []
    for number in range(36):
        speed = (0.3, 1.4, 0.0)[number % 3]
        phase = speed * np.arange(48) + rng.uniform(0, 6)
        wave = 12000 * np.stack([np.sin(phase), np.cos(phase)], axis=1) * (speed > 0)
        recordings.append((wave + rng.normal(0, 900, wave.shape)).astype(np.int16))
    labels, test = (np.arange(36) % 3).astype(np.int32), np.arange(36) % 4 == 0
    offsets, ids = np.arange(37, dtype=np.int64) * 48, tuple(f"r{n}" for n in range(36))
    save(Recordings(np.concatenate(recordings), offsets, labels, test, ids), folder / "recordings.npz")
    (folder / "dataset.json").write_text(
        json.dumps({"schema": 1, "classes": ["slow", "fast", "still"], "signal": {**SIGNAL, "size": None}})
    )
    return {name: folder / name for name in ("recordings.npz", "dataset.json")}


def train(
    data: dict[str, Path],
    out: Path,
    variant: dict[str, Any],
    said: list[Progress] | None = None,
    source: str = "",
) -> dict[str, Any]:
    out.mkdir()
    inputs, architecture = dict(data), {"kind": "layers", "layers": LAYERS}
    if source:
        inputs["architecture.py"] = out.parent / f"{out.name}.py"
        inputs["architecture.py"].write_text(source)
        architecture = {"kind": "python", "entry": "build", "args": {}}
    settings = {"input": INPUT, "architecture": architecture, "training": TRAINING, "revision": 1, "variant": variant}
    return tinyops.train.run(Step("train", "x", settings), inputs, out, said.append if said is not None else _quiet)


def _quiet(_: Progress) -> None:
    pass


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_all_of_it_twice_gives_the_same_bytes_and_says_what_was_done(data: dict[str, Path], tmp_path: Path) -> None:
    variant = {"width": 0.75, "prune_channels": 0.34, "prune_weights": 0.5}
    said: list[Progress] = []
    facts = train(data, tmp_path / "one", variant, said)
    train(data, tmp_path / "two", variant)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert [p.done for p in said] == [0, *range(1, 15), 14] and {p.total for p in said} == {14}
    assert (
        said[7].message.startswith("pruned channels: epoch 7/14") and "pruned weights: epoch 14/14" in said[-2].message
    )
    assert facts["epochs"] == 14
    channels, weights = facts["techniques"]["prune_channels"], facts["techniques"]["prune_weights"]
    assert channels["channels"] == {"layer_1": [6, 4], "layer_2": [6, 4]}
    assert channels["parameters"] == [6 * (2 * 3 + 2) + 6 * 19 + 3 * 49, facts["parameters"]]
    assert facts["parameters"] == 4 * (2 * 3 + 2) + 4 * (4 * 3 + 1) + 3 * (4 * 8 + 1)
    assert (weights["zeros"], weights["weights"]) == (12 + 24 + 48, 24 + 48 + 96)
    assert channels["accuracy_float"][-1] == weights["accuracy_float"][0]
    assert weights["accuracy_float"][-1] == facts["accuracy_float"]["point"]
    assert json.loads((tmp_path / "one" / "training.json").read_text())["techniques"] == facts["techniques"]


def test_zeros_stay_zeros_in_int8(data: dict[str, Path], tmp_path: Path) -> None:
    train(data, tmp_path / "t", {"prune_weights": 0.75})
    (tmp_path / "q").mkdir()
    inputs = data | {n: tmp_path / "t" / n for n in ("float.tflite", "features.json", "training.json")}
    tinyops.squeeze.run(Step("squeeze", "x/y", {"variant": {}, "input": INPUT}), inputs, tmp_path / "q", _quiet)
    graph = read_graph(tmp_path / "q" / "int8.tflite")
    constants = [t for t in graph.tensors if t.data is not None and t.dtype == "int8" and len(t.shape) > 1]
    kernels = [np.frombuffer(t.data or b"", np.int8) for t in constants]
    assert sorted(k.size for k in kernels) == [48, 192, 192]
    assert all((k == 0).mean() >= 0.75 for k in kernels)


@pytest.mark.parametrize(("kind", "most"), [("int4", 15), ("table", 16)])
def test_weights_of_few_values_are_few_in_int8_and_half_as_long(
    data: dict[str, Path], tmp_path: Path, kind: str, most: int
) -> None:
    facts = train(data, tmp_path / "t", {"weights": kind})
    assert facts["epochs"] == TRAINING["epochs"] + 2
    told = facts["techniques"]["weights"]
    assert told["kind"] == kind and told["accuracy_rounded"][1] >= 0.8  # of three classes, whose plain one gets all
    assert set(told["values"]) == {"layer_2", "classes"}  # layer_1 has 48 weights
    (tmp_path / "q").mkdir()
    inputs = data | {n: tmp_path / "t" / n for n in ("float.tflite", "features.json", "training.json")}
    settings = {"variant": {"weights": kind}, "input": INPUT}
    found = tinyops.squeeze.run(Step("squeeze", "x/y", settings), inputs, tmp_path / "q", _quiet)
    assert found["accuracy_int8"]["point"] >= 0.8
    graph = read_graph(tmp_path / "q" / "int8.tflite")
    constants = [t for t in graph.tensors if t.data is not None and t.dtype == "int8" and len(t.shape) > 1]
    values = sorted((t.elements, len(np.unique(np.frombuffer(t.data or b"", np.int8)))) for t in constants)
    assert [elements for elements, _ in values] == [48, 192, 192]
    assert values[0][1] > most >= max(values[1][1], values[2][1])
    assert found["weights"]["entropy_bytes"] < 0.6 * found["weights"]["number"]


WIDE = """
import keras
from keras import layers
def build(input_shape, classes, width=1.0):
    start = keras.Input(input_shape)
    x = layers.Conv1D(int(8 * width), 3, activation="relu")(start)
    return keras.Model(start, layers.Dense(classes, activation="softmax")(layers.Flatten()(x)))
"""


def test_a_function_is_given_the_width_and_its_chain_is_pruned(data: dict[str, Path], tmp_path: Path) -> None:
    facts = train(data, tmp_path / "t", {"width": 0.5, "prune_channels": 0.25}, source=WIDE)
    assert facts["parameters"] == 3 * (2 * 3 + 1) + 3 * (3 * 14 + 1)


def test_networks_that_are_no_chain_are_refused() -> None:
    import keras
    from keras import layers

    from tinyops.train.techniques.chains import chain_of

    start = keras.Input((16, 2))
    first = layers.Conv1D(2, 3, padding="same", name="first")(start)
    left, right = layers.ReLU(name="left")(first), layers.ReLU(name="right")(first)
    forked = keras.Model(start, [layers.Flatten()(left), layers.Flatten()(right)])
    joined = keras.Model(start, layers.Flatten()(layers.Add(name="total")([first, start])))
    for network, message in (
        (forked, "right does not take what the layer before it gives"),
        (joined, "total is a Add"),
    ):
        with pytest.raises(SpecError, match=message) as caught:
            chain_of(network, "prune_channels")
        assert caught.value.hint


def test_channels_that_add_nothing_go_and_nothing_changes() -> None:
    """Through normalisation, depthwise convolution, pooling and flatten, to the last bit but rounding."""
    import keras
    from keras import layers

    from tinyops.train.techniques.chains import chain_of, without

    keras.utils.set_random_seed(5)
    start = keras.Input((12, 10, 2))
    tensor = start
    for layer in (
        layers.Conv2D(6, 3, use_bias=False, name="a"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(),
        layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", name="depthwise"),
        layers.Conv2D(5, 1, activation="relu", name="b"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(7, activation="relu", name="c"),
        layers.Dense(3, name="classes"),
        layers.Softmax(),
    ):
        tensor = layer(tensor)
    network = keras.Model(start, tensor)
    rng = np.random.default_rng(1)
    for layer in network.layers:
        layer.set_weights([rng.uniform(0.1, 1, w.shape) * rng.choice([-1, 1], w.shape) for w in layer.get_weights()])
    norm = network.get_layer("norm")
    norm.set_weights([*norm.get_weights()[:3], np.abs(norm.get_weights()[3])])
    kept = {"a": np.array([0, 2, 3]), "b": np.array([1, 4]), "c": np.array([0, 1, 5, 6])}
    _silence(network, "b", [c for a in (1, 4, 5) for c in (2 * a, 2 * a + 1)])  # what reads channels 1, 4, 5 of a
    _silence(network, "c", [5 * p + c for p in range(20) for c in (0, 2, 3)])
    _silence(network, "classes", [2, 3, 4])
    smaller = without(network, chain_of(network, "x"), kept)
    assert [smaller.get_layer(n).kernel.shape for n in ("a", "b", "c")] == [(3, 3, 2, 3), (1, 1, 6, 2), (40, 4)]
    inputs = rng.normal(size=(4, 12, 10, 2)).astype(np.float32)
    np.testing.assert_allclose(smaller(inputs), network(inputs), rtol=1e-5, atol=1e-6)
    wrong = without(network, chain_of(network, "x"), kept | {"a": np.array([0, 2, 4])})
    assert np.abs(np.asarray(wrong(inputs)) - np.asarray(network(inputs))).max() > 1e-4


def _silence(network: Any, name: str, channels: list[int]) -> None:
    """What a layer takes of those channels counts for nothing."""
    layer = network.get_layer(name)
    kernel, *bias = layer.get_weights()
    kernel[..., channels, :] = 0
    layer.set_weights([kernel, *bias])
