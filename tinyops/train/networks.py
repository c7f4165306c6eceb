"""Architectures as Keras models. Imports Keras: for the worker only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from tinyops.errors import SpecError
from tinyops.specs.entry_arguments import takes, untaken
from tinyops.specs.rewriting import PASSED
from tinyops.train.user_function import call_entry

# Keras's default of 0.99 never catches up on a few hundred windows.
BATCH_NORM_MOMENTUM = 0.9
SUM_TOLERANCE = 1e-3


def build_network(request: dict[str, Any]) -> Any:
    """The untrained Keras model of a request: input [batch, *input_shape], output [batch, classes] of softmax."""
    architecture = request["architecture"]
    shape, classes = tuple(request["input_shape"]), len(request["classes"])
    if architecture["kind"] == "layers":
        return _from_layers(architecture["layers"], shape, classes)
    return _from_function(Path(request["architecture_file"]), architecture, shape, classes)


def _from_layers(specs: list[dict[str, Any]], shape: tuple[int, ...], classes: int) -> Any:
    tensor = start = keras.Input(shape, name="input")
    for number, spec in enumerate(specs, 1):
        tensor = _BUILDERS[spec["kind"]](spec, f"layer_{number}", tensor)
    tensor = layers.Dense(classes, name="classes")(tensor)
    return keras.Model(start, layers.Softmax(name="softmax")(tensor), name="network")


def _dense(spec: dict[str, Any], name: str, tensor: Any) -> Any:
    return _activate(spec, name, layers.Dense(spec["units"], name=name)(tensor))


def _conv1d(spec: dict[str, Any], name: str, tensor: Any) -> Any:
    layer = layers.Conv1D(spec["filters"], spec["kernel"], **_convolution(spec, name))
    return _activate(spec, name, layer(tensor))


def _conv2d(spec: dict[str, Any], name: str, tensor: Any) -> Any:
    layer = layers.Conv2D(spec["filters"], tuple(spec["kernel"]), **_convolution(spec, name))
    return _activate(spec, name, layer(tensor))


def _depthwise(spec: dict[str, Any], name: str, tensor: Any) -> Any:
    layer = layers.DepthwiseConv2D(tuple(spec["kernel"]), **_convolution(spec, name))
    return _activate(spec, name, layer(tensor))


def _convolution(spec: dict[str, Any], name: str) -> dict[str, Any]:
    stride = spec["stride"] if isinstance(spec["stride"], int) else tuple(spec["stride"])
    return {"strides": stride, "padding": spec["padding"], "use_bias": not spec["batch_norm"], "name": name}


def _activate(spec: dict[str, Any], name: str, tensor: Any) -> Any:
    if spec.get("batch_norm"):
        tensor = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_norm")(tensor)
    return layers.ReLU(name=f"{name}_relu")(tensor) if spec["activation"] == "relu" else tensor


def _is_series(tensor: Any) -> bool:
    return len(tensor.shape) == 3


def _max_pool(spec: dict[str, Any], name: str, tensor: Any) -> Any:
    return (layers.MaxPooling1D if _is_series(tensor) else layers.MaxPooling2D)(spec["size"], name=name)(tensor)


def _average_pool(spec: dict[str, Any], name: str, tensor: Any) -> Any:
    return (layers.AveragePooling1D if _is_series(tensor) else layers.AveragePooling2D)(spec["size"], name=name)(tensor)


def _global_average_pool(_: dict[str, Any], name: str, tensor: Any) -> Any:
    return (layers.GlobalAveragePooling1D if _is_series(tensor) else layers.GlobalAveragePooling2D)(name=name)(tensor)


def _flatten(_: dict[str, Any], name: str, tensor: Any) -> Any:
    return layers.Flatten(name=name)(tensor)


def _dropout(spec: dict[str, Any], name: str, tensor: Any) -> Any:
    return layers.Dropout(spec["rate"], name=name)(tensor)


_BUILDERS: dict[str, Callable[[dict[str, Any], str, Any], Any]] = {
    "average_pool": _average_pool,
    "conv1d": _conv1d,
    "conv2d": _conv2d,
    "dense": _dense,
    "depthwise_conv2d": _depthwise,
    "dropout": _dropout,
    "flatten": _flatten,
    "global_average_pool": _global_average_pool,
    "max_pool": _max_pool,
}


def _from_function(path: Path, architecture: dict[str, Any], shape: tuple[int, ...], classes: int) -> Any:
    entry = architecture["entry"].rpartition(":")[2]
    passed = architecture.get(PASSED, {})
    for name in passed:
        if not takes(path.read_bytes(), entry, name):
            raise untaken(f"{path.name}:{entry}", name)
    network = call_entry(path, entry, shape, classes, **architecture["args"], **passed)
    _check_network(network, f"{path.name}:{entry}", shape, classes)
    return network


def _check_network(network: Any, name: str, shape: tuple[int, ...], classes: int) -> None:
    if not isinstance(network, keras.Model):
        raise SpecError(f"{name}: returned {type(network).__name__}, wanted a keras.Model")
    if len(network.inputs or ()) != 1 or len(network.outputs or ()) != 1:
        raise SpecError(f"{name}: the model must have one input and one output, and know their shapes")
    if tuple(network.inputs[0].shape[1:]) != shape:
        raise SpecError(f"{name}: the model's input is {list(network.inputs[0].shape[1:])}, wanted {list(shape)}")
    if tuple(network.outputs[0].shape[1:]) != (classes,):
        found = list(network.outputs[0].shape[1:])
        raise SpecError(f"{name}: the model's output is {found}, wanted [{classes}]: one a class")
    output = network(np.zeros((1, *shape), np.float32), training=False).numpy()
    if output.min() < -SUM_TOLERANCE or abs(float(output.sum()) - 1) > SUM_TOLERANCE:
        message = f"{name}: the outputs for one input sum to {output.sum():.3g}, wanted 1"
        raise SpecError(message, hint="end the model with softmax")
