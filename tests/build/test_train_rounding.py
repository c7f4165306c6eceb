"""Training with rounding and with a teacher, for real: what is learnt with is what the int8 model computes."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinyops.squeeze
from fakes.compiled import compile_bytes, run_compiled
from tinyops.artifacts import Step
from tinyops.graph import read_graph
from tinyops.recordings import Recordings, save
from tinyops.squeeze.oracle import run_vectors
from tinyops.train.step import WORKER_ENVIRONMENT

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs the extra train: TensorFlow"),
    pytest.mark.skipif(importlib.util.find_spec("ai_edge_quantizer") is None, reason="needs ai-edge-quantizer"),
]

CLASSES = ["slow", "fast", "still"]
SIGNAL = {"sensor": "imu", "channels": ["ax", "ay"], "units": ["g", "g"], "full_scale": [2.0, 2.0], "rate_hz": 10.0}
INPUT = {"features": "raw", "window_frames": 16, "hop_frames": 8}
CONVOLUTION = {"kind": "conv1d", "kernel": 3, "stride": 1, "padding": "same", "activation": "relu", "batch_norm": True}
FILES = ("float.tflite", "features.json", "training.json")

# One process for all: TensorFlow takes seconds to load. It writes into the folder it is given.
WORK = r"""
import json, sys
from pathlib import Path
import keras, numpy as np
from keras import layers as L
from tinyops.errors import SpecError
from tinyops.squeeze.quantise import quantised
from tinyops.squeeze.ranges import find_ranges
from tinyops.train.fit import _be_deterministic, export_tflite, fit_model
from tinyops.train.rounding.rounded import rounded
from tinyops.train.techniques.distilled_loss import accuracy, distilled

folder = Path(sys.argv[1])
requests = json.loads((folder / "requests.json").read_text())
_be_deterministic(requests[0])

def network():
    start = keras.Input((16, 12, 3), name="input")
    x = L.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="a")(start)
    x = L.ReLU(name="a_relu")(L.BatchNormalization(name="a_norm")(x))
    y = L.DepthwiseConv2D(3, padding="same", name="d")(x)
    y = L.ReLU(6.0, name="d_relu")(L.BatchNormalization(name="d_norm")(y))
    y = L.Conv2D(8, 1, name="p")(y)
    x = L.ReLU(name="sum_relu")(L.Add(name="sum")([x, y]))
    x = L.Concatenate(name="both")([x, L.Conv2D(4, 1, activation="relu", name="z")(x)])
    for n in range(2):
        x = L.DepthwiseConv2D(3, padding="same", activation="relu", name=f"d{n}")(x)
        x = L.Conv2D(12, 1, activation="relu", name=f"p{n}")(x)
    x = L.MaxPooling2D(2, name="most")(L.AveragePooling2D(2, name="mean")(x))
    x = L.Dropout(0.2, name="drop")(L.Flatten(name="flat")(x))
    x = L.Concatenate(name="all")([L.Dense(8, name="hidden")(x), L.Dense(8, activation="sigmoid", name="gate")(x)])
    return keras.Model(start, L.Dense(4, name="logits")(x), name="network")

random = np.random.default_rng(0)
inputs = random.normal(size=(200, 16, 12, 3)).astype(np.float32)
made = network()
for layer in made.layers:  # statistics and weights as after a training
    if "norm" in layer.name:
        layer.moving_mean.assign(random.normal(size=8)), layer.moving_variance.assign(random.uniform(0.2, 3, 8))
        layer.gamma.assign(random.uniform(0.3, 2, 8)), layer.beta.assign(random.normal(size=8))
    elif layer.weights:
        layer.kernel.assign(layer.kernel * random.uniform(0.2, 1.5, layer.kernel.shape[-1]))
made.get_layer("d").bias.assign(np.linspace(-0.5, 0.5, 8))  # which a normalisation follows
np.save(folder / "inputs.npy", inputs)
for per in ("channel", "tensor"):
    both = rounded(made, per)
    plain = export_tflite(both.plain, (16, 12, 3))
    found = find_ranges(plain, inputs, lambda _: None)
    (folder / f"{per}.tflite").write_bytes(quantised(plain, found.ranges, per=per))
    both.calibrate(inputs[: len(found.low)])
    grids = [(float(place.low), float(place.high)) for place in both.places.values()]
    (folder / f"{per}.grids.json").write_text(json.dumps(grids))
    np.save(folder / f"{per}.rounding.npy", both.rounding.predict(inputs, verbose=0))
    np.save(folder / f"{per}.plain.npy", both.plain.predict(inputs, verbose=0))
wide = rounded(made, "channel", "int16")
plain = export_tflite(wide.plain, (16, 12, 3))
found = find_ranges(plain, inputs, lambda _: None)
(folder / "int16.tflite").write_bytes(quantised(plain, found.ranges, "channel", "int16"))
wide.calibrate(inputs[: len(found.low)])
np.save(folder / "int16.rounding.npy", wide.rounding.predict(inputs, verbose=0))
np.save(folder / "before.npy", made.predict(inputs, verbose=0))
start = keras.Input((8, 3), name="input")
shared = L.Dense(3, name="shared")
refused = [L.UnitNormalization(name="unit")(start), shared(shared(start))]
said = []
for output in refused:
    try:
        rounded(keras.Model(start, L.Dense(2, name="classes")(L.Flatten(name="flat")(output))), "channel")
    except SpecError as error:
        said.append(error.message)
(folder / "refused.json").write_text(json.dumps(said))
outputs = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]], np.float32)
targets = np.array([[1, 0, 0, 0.2, 0.5, 0.3], [0, 1, 0, 0.3, 0.3, 0.4]], np.float32)
loss, certain = distilled(4.0, 0.7, 0.0), np.array([[0.0, 1.0, 0.0]], np.float32)
np.savez(
    folder / "loss.npz",
    targets=targets,
    outputs=outputs,
    loss=loss(targets, outputs),
    accuracy=accuracy(targets, outputs),
    certain=loss(np.array([[1, 0, 0, 1, 0, 0]], np.float32), certain),
)
for request in requests:
    fit_model(request, lambda _: None)
"""


def layers(filters: int) -> dict[str, Any]:
    convolutions = [CONVOLUTION | {"filters": filters}, CONVOLUTION | {"filters": filters, "stride": 2}]
    return {"kind": "layers", "layers": [*convolutions, {"kind": "dropout", "rate": 0.1}, {"kind": "flatten"}]}


def request(folder: Path, name: str, **changes: Any) -> dict[str, Any]:
    """Of the worker, to write into the folder `name`."""
    (folder / name).mkdir()
    training = {"epochs": 6, "batch": 16, "learning_rate": 0.01, "seed": 1}
    augment = [{"kind": "noise", "level": [0.0, 0.05]}, {"kind": "mask_time", "at_most_s": 0.2}]
    return {
        "recordings": str(folder / "recordings.npz"),
        "classes": CLASSES,
        "normal": None,
        "signal": SIGNAL,
        "input_shape": [16, 2],
        "input": INPUT,
        "architecture": layers(4),
        "architecture_file": None,
        "training": training | {"augment": augment, "copies": 2},
        "variant": {},
        "teacher": {},
        "backgrounds": {},
        "threads": 1,
        "out": str(folder / name),
    } | changes


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rounding")
    _write_data(folder)
    taught = {
        "variant": {"prune_weights": 0.5, "quantisation_aware": True, "per": "tensor", "teacher": "large"},
        "teacher": {name: str(folder / "large" / name) for name in FILES},
    }
    requests = [
        request(folder, "large", architecture=layers(8)),
        request(folder, "taught", **taught),
        request(folder, "again", **taught),
    ]
    (folder / "requests.json").write_text(json.dumps(requests))
    environment = {**WORKER_ENVIRONMENT, "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", WORK, str(folder)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def _write_data(folder: Path) -> None:
    """Oscillations that a small net can tell apart: 12 recordings of 48 frames a class."""
    random = np.random.default_rng(3)
    recordings = []
    for number in range(36):
        speed = (0.3, 1.4, 0.0)[number % 3]
        phase = speed * np.arange(48) + random.uniform(0, 6)
        wave = 12000 * np.stack([np.sin(phase), np.cos(phase)], axis=1) * (speed > 0)
        recordings.append((wave + random.normal(0, 900, wave.shape)).astype(np.int16))
    offsets = np.arange(37, dtype=np.int64) * 48
    labels, test = (np.arange(36) % 3).astype(np.int32), np.arange(36) % 4 == 0
    ids = tuple(f"r{number}" for number in range(36))
    save(Recordings(np.concatenate(recordings), offsets, labels, test, ids), folder / "recordings.npz")
    (folder / "dataset.json").write_text(
        json.dumps({"schema": 1, "classes": CLASSES, "signal": {**SIGNAL, "size": None}})
    )


def facts(made: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((made / name / "training.json").read_text()))


@pytest.mark.parametrize("per", ["channel", "tensor"])
def test_the_int8_model_computes_what_was_trained_with(made: Path, per: str) -> None:
    """Within two steps of the output; three in four are the same, and the network without rounding is further away."""
    graph = read_graph(made / f"{per}.tflite")
    taken, given = (graph.tensors[i].quantisation for i in (*graph.inputs, *graph.outputs))
    assert taken is not None and given is not None
    inputs = np.load(made / "inputs.npy")
    counts = np.clip(np.rint(inputs / taken.scales[0]) + taken.zero_points[0], -128, 127).astype(np.int8)
    outputs = run_vectors(made / f"{per}.tflite", counts.reshape(len(counts), -1)).astype(np.int64)
    steps = {}
    for name in ("rounding", "plain"):
        wanted = np.rint(np.load(made / f"{per}.{name}.npy") / given.scales[0]) + given.zero_points[0]
        steps[name] = np.abs(np.clip(wanted, -128, 127) - outputs)
    assert len(np.unique(outputs)) > 40
    rounding = np.load(made / f"{per}.rounding.npy") / given.scales[0]
    assert np.abs(rounding - np.rint(rounding)).max() < 0.01  # on the grid: zero is a step of it
    assert steps["rounding"].max() <= 2 and (steps["rounding"] == 0).mean() > 0.75
    assert steps["plain"].mean() > 1.8 * steps["rounding"].mean()


def test_with_int16_activations_weights_and_ends_are_rounded_and_nothing_else(made: Path) -> None:
    """Within a step of the output, where int8 is within two; what is compiled is the same."""
    model = made / "int16.tflite"
    graph = read_graph(model)
    wide = {o.name for o in graph.operators if graph.tensors[o.outputs[0]].dtype == "int16"}
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "AVERAGE_POOL_2D", "MAX_POOL_2D"} <= wide
    assert [o.name for o in graph.operators if graph.tensors[o.inputs[0]].dtype == "int8"] == [
        "QUANTIZE",
        "LOGISTIC",
        "QUANTIZE",
    ]
    taken, given = (graph.tensors[i].quantisation for i in (*graph.inputs, *graph.outputs))
    assert taken is not None and given is not None
    counts = np.clip(np.rint(np.load(made / "inputs.npy") / taken.scales[0]) + taken.zero_points[0], -128, 127)
    vectors = counts.astype(np.int8).reshape(len(counts), -1)
    outputs = run_vectors(model, vectors)
    wanted = np.rint(np.load(made / "int16.rounding.npy") / given.scales[0]) + given.zero_points[0]
    steps = np.abs(np.clip(wanted, -128, 127) - outputs)
    assert len(np.unique(outputs)) > 40
    assert steps.max() <= 1 and (steps == 0).mean() > 0.75
    compiled = compile_bytes(model.read_bytes())
    found = run_compiled(compiled, [vector.tobytes() for vector in vectors[:20]])
    assert found == [output.tobytes() for output in outputs[:20]]


@pytest.mark.parametrize("per", ["channel", "tensor"])
def test_every_grid_is_one_of_the_int8_models_and_every_one_of_its_grids_is_there(made: Path, per: str) -> None:
    graph = read_graph(made / f"{per}.tflite")
    outputs = [graph.tensors[i] for i in (*graph.inputs, *(i for o in graph.operators for i in o.outputs))]
    wanted = {f"{t.quantisation.scales[0]:.5g}" for t in outputs if t.quantisation is not None}
    ranges = json.loads((made / f"{per}.grids.json").read_text())
    assert {f"{(max(high, 0) - min(low, 0)) / 255:.5g}" for low, high in ranges} == wanted


def test_layers_whose_rounding_is_not_known_are_refused_by_name(made: Path) -> None:
    assert json.loads((made / "refused.json").read_text()) == [
        "quantisation_aware: layer unit is a UnitNormalization, whose rounding is not known",
        "quantisation_aware: layer shared is called twice",
    ]


def test_folding_changes_no_outputs(made: Path) -> None:
    before, after = np.load(made / "before.npy"), np.load(made / "channel.plain.npy")
    assert np.abs(before - after).max() < 1e-4 * np.abs(before).max()


def test_weights_have_one_scale_each_channel_or_each_tensor(made: Path) -> None:
    counts = {}
    for per in ("channel", "tensor"):
        graph = read_graph(made / f"{per}.tflite")
        weights = [graph.tensors[i] for o in graph.operators for i in o.inputs[1:2] if i is not None]
        counts[per] = {len(t.quantisation.scales) for t in weights if t.dtype == "int8" and t.quantisation}
    assert counts["tensor"] == {1} and counts["channel"] >= {4, 8, 12}


def test_what_is_exported_is_a_float_model_without_rounding_or_normalisation(made: Path) -> None:
    graph = read_graph(made / "taught" / "float.tflite")
    assert {o.name for o in graph.operators} == {"RESHAPE", "CONV_2D", "FULLY_CONNECTED", "SOFTMAX"}
    assert {graph.tensors[i].dtype for o in graph.operators for i in o.outputs} == {"float32"}


def test_tuning_is_recorded_and_repeats_to_the_last_bit(made: Path) -> None:
    taught = facts(made, "taught")
    rounding = taught["techniques"]["quantisation_aware"]
    assert rounding["per"] == "tensor" and taught["epochs"] == 6 + 2 + 2
    assert rounding["accuracy_rounded"][1] > 0.8
    for name in FILES:
        assert (made / "taught" / name).read_bytes() == (made / "again" / name).read_bytes(), name


def test_the_loss_is_of_labels_and_of_what_the_teacher_says_at_a_temperature(made: Path) -> None:
    found = np.load(made / "loss.npz")
    labels, teacher = found["targets"][:, :3], found["targets"][:, 3:]
    own = found["outputs"] ** (1 / 4) / (found["outputs"] ** (1 / 4)).sum(axis=1, keepdims=True)
    apart = (teacher * np.log(teacher / own)).sum(axis=1)
    hard = -(labels * np.log(found["outputs"])).sum(axis=1)
    assert found["loss"] == pytest.approx(0.3 * hard + 0.7 * 16 * apart, rel=1e-4)
    assert found["accuracy"].tolist() == [1, 0]  # by the labels, whatever the teacher says
    assert np.isfinite(found["certain"]).all()
    assert facts(made, "taught")["history"][-1]["accuracy"] > 0.8


def test_a_network_tuned_per_tensor_is_squeezed_per_tensor(made: Path) -> None:
    out = made / "squeezed"
    out.mkdir()
    inputs = {name: made / name for name in ("recordings.npz", "dataset.json")}
    inputs |= {name: made / "taught" / name for name in FILES}
    variant = {"prune_weights": 0.5, "quantisation_aware": True, "per": "tensor", "teacher": "large"}
    settings = {"variant": variant, "input": INPUT, "revision": 1}
    found = tinyops.squeeze.run(Step("squeeze", "x/qat-pt", settings), inputs, out, lambda _: None)
    graph = read_graph(out / "int8.tflite")
    scales = [len(t.quantisation.scales) for t in graph.tensors if t.dtype == "int8" and t.quantisation is not None]
    assert set(scales) == {1}
    rounding = facts(made, "taught")["techniques"]["quantisation_aware"]
    assert abs(found["accuracy_int8"]["point"] - rounding["accuracy_rounded"][1]) <= 1 / 9 + 1e-6
    weights = [t for t in graph.tensors if t.dtype == "int8" and t.data is not None]
    values = np.concatenate([np.frombuffer(t.data, np.int8) for t in weights if t.data is not None])
    assert (values == 0).mean() >= 0.5  # what was pruned stays pruned
