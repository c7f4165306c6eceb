"""Networks as Keras users write them, converted by TensorFlow in a process of its own, compiled, compared."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.compiled import SANITIZED, compile_bytes, input_vectors, random_inputs, run_compiled
from fakes.interpreter import Interpreter

pytestmark = pytest.mark.build

CONVERT = r"""
import os, sys, tempfile
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np, tensorflow as tf
from keras import layers as L

def series():
    x = keras.Input((40, 6), name="input")
    y = L.Conv1D(8, 5, padding="causal", activation="relu", name="a")(x)
    y = L.MaxPooling1D(2, name="b")(y)
    y = L.Conv1D(12, 3, strides=2, activation="relu", name="c")(y)
    y = L.Flatten(name="d")(y)
    return keras.Model(x, L.Dense(4, activation="softmax", name="e")(y))

def image():
    x = keras.Input((16, 12, 3), name="input")
    y = L.Conv2D(6, 3, strides=2, padding="same", name="a")(x)
    y = L.BatchNormalization(name="b")(y)
    y = L.ReLU(6.0, name="c")(y)
    z = L.DepthwiseConv2D(3, padding="same", depth_multiplier=1, name="d")(y)
    z = L.ReLU(name="e")(z)
    y = L.Add(name="f")([L.Conv2D(6, 1, name="g")(z), y])
    gate = L.Dense(6, activation="sigmoid", name="h")(L.GlobalAveragePooling2D(keepdims=True, name="i")(y))
    y = L.Multiply(name="j")([y, gate])
    y = L.ZeroPadding2D(((0, 1), (1, 0)), name="k")(y)
    y = L.Concatenate(name="l")([L.MaxPooling2D(2, name="m")(y), L.AveragePooling2D(2, name="n")(y)])
    y = L.Flatten(name="o")(y)
    return keras.Model(x, L.Dense(3, activation="softmax", name="p")(y))

def decoder():
    x = keras.Input((12, 10, 3), name="input")
    y = L.Conv2D(8, 3, dilation_rate=2, padding="same", activation="relu", name="a")(x)
    z = L.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="b")(y)
    z = L.Conv2DTranspose(8, 3, strides=2, padding="same", name="c")(z)
    y = L.Concatenate(name="d")([y, z])
    y = L.UpSampling2D(2, interpolation="bilinear", name="e")(L.Cropping2D(((1, 2), (3, 0)), name="f")(y))
    u, v = keras.ops.split(L.Conv2D(6, 1, name="g")(y), 2, axis=-1)
    y = L.Permute((3, 1, 2), name="h")(L.Add(name="i")([u, keras.ops.flip(v, axis=2)]))
    return keras.Model(x, [L.Dense(3, name="j")(L.Flatten(name="k")(y)), keras.ops.transpose(v, (0, 2, 1, 3))])

keras.utils.set_random_seed(1)
model = {"series": series, "image": image, "decoder": decoder}[sys.argv[1]]()
shape = (1, *model.input_shape[1:])
rng = np.random.default_rng(0)
with tempfile.TemporaryDirectory() as folder:
    batch = None if sys.argv[4] == "free" else 1
    given = keras.InputSpec(dtype="float32", shape=(batch, *shape[1:]), name="input")
    model.export(folder, input_signature=[given], verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([rng.normal(size=shape).astype("float32")] for _ in range(20))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    edge = {"int8": tf.int8, "uint8": tf.uint8, "float32": tf.float32}[sys.argv[2]]
    converter.inference_input_type = converter.inference_output_type = edge
    open(sys.argv[3], "wb").write(converter.convert())
"""


@pytest.mark.parametrize(
    ("network", "edge", "batch", "passes"),
    [
        ("series", "int8", "free", {"fold_constants", "fold_padding"}),
        ("image", "uint8", "1", set()),
        ("image", "float32", "1", set()),
        ("decoder", "int8", "1", set()),
    ],
)
def test_keras_network(tmp_path: Path, network: str, edge: str, batch: str, passes: set[str]) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    path = tmp_path / "model.tflite"
    done = subprocess.run(
        [sys.executable, "-c", CONVERT, network, edge, path, batch], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    model = path.read_bytes()
    compiled = compile_bytes(model)
    assert passes <= {one.name for one in compiled.applied if str(one)}
    inputs = random_inputs(compiled, 6, seed=2)
    interpreter = Interpreter()
    wanted = interpreter.run(model, inputs)
    interpreter.close()
    assert wanted is not None
    assert len(set(wanted)) > 1
    assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted
