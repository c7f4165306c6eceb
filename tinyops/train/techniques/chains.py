"""Networks that are one chain of layers, and such chains with some of their channels left out. Imports Keras.

A channel is an index into the last axis of what a layer gives. Which are kept passes from layer to layer: through
normalisation, activation, pooling and depthwise convolution as it is, through flatten at every position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from tinyops.errors import SpecError

Kept = NDArray[np.int64] | None  # channels in their order; None: all of them
Weights = list[NDArray[np.float32]]
CHOOSING = (layers.Dense, layers.Conv1D, layers.Conv2D)  # whose channels are their own
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
PASSING = (
    layers.Activation,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.LeakyReLU,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.ReLU,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
)
KNOWN = (*CHOOSING, *DEPTHWISE, *PASSING, layers.BatchNormalization, layers.Flatten, layers.Softmax)


@dataclass(frozen=True)
class Cut:
    """A layer without what is left out: its configuration and weights, and which of its channels are kept."""

    config: dict[str, Any]
    weights: Weights
    kept: Kept


def chain_of(network: Any, what: str) -> list[Any]:
    """The network's layers, each taking what the one before gives. Raises SpecError for any other network."""
    found = [layer for layer in network.layers if not isinstance(layer, layers.InputLayer)]
    before = network.inputs[0]
    for layer in found:
        strange = _strange(layer)
        if strange:
            hint = f"leave {what} out, or build the model of the layers that docs/architectures.md lists"
            raise SpecError(f"{what}: layer {layer.name} {strange}", hint=hint)
        if layer.input is not before:
            raise SpecError(
                f"{what}: layer {layer.name} does not take what the layer before it gives",
                hint=f"{what} is for models whose layers are one chain: leave it out, or use width",
            )
        before = layer.output
    if network.outputs[0] is not before:
        raise SpecError(f"{what}: the model's output is not its last layer's", hint=f"leave {what} out")
    return found


def _strange(layer: Any) -> str:
    """Why channels cannot be followed through a layer; empty where they can."""
    if not isinstance(layer, KNOWN):
        return f"is a {type(layer).__name__}"
    if getattr(layer, "groups", 1) != 1:
        return f"has {layer.groups} groups"
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return "has its channels first"
    if isinstance(layer, layers.BatchNormalization) and layer.axis not in (-1, len(layer.input.shape) - 1):
        return "normalises another axis than channels"
    return ""


def without(network: Any, chain: list[Any], kept: Mapping[str, NDArray[np.int64]]) -> Any:
    """The network of only the kept channels of the layers in `kept`, with its weights."""
    tensor = start = keras.Input(network.inputs[0].shape[1:], name="input")
    passing: Kept = None
    weights: dict[str, Weights] = {}
    for layer in chain:
        cut = _cut(layer, passing, kept.get(layer.name))
        passing, weights[layer.name] = cut.kept, cut.weights
        tensor = type(layer).from_config(cut.config)(tensor)
    smaller = keras.Model(start, tensor, name=network.name)
    for name, values in weights.items():
        smaller.get_layer(name).set_weights(values)
    return smaller


def _cut(layer: Any, passing: Kept, own: Kept) -> Cut:
    config, weights = layer.get_config(), layer.get_weights()
    if isinstance(layer, CHOOSING):
        return _chosen(layer, config, weights, passing, own)
    if passing is None or isinstance(layer, PASSING):
        return Cut(config, weights, passing)
    if isinstance(layer, layers.BatchNormalization):
        return Cut(config, [w[passing] for w in weights], passing)
    if isinstance(layer, DEPTHWISE):
        times = int(layer.depth_multiplier)
        given = (passing[:, None] * times + np.arange(times)).ravel()
        kernel, *bias = weights
        return Cut(config, [kernel[..., passing, :], *(b[given] for b in bias)], given)
    if isinstance(layer, layers.Flatten):
        channels = layer.input.shape[-1]
        positions = int(np.prod(layer.input.shape[1:-1]))
        return Cut(config, weights, (np.arange(positions)[:, None] * channels + passing).ravel())
    raise SpecError(f"{layer.name}: a {type(layer).__name__} cannot follow channels that are left out")


def _chosen(layer: Any, config: dict[str, Any], weights: Weights, passing: Kept, own: Kept) -> Cut:
    kernel, *bias = weights
    if passing is not None:
        kernel = kernel[..., passing, :]
    if own is not None:
        kernel, bias = kernel[..., own], [b[own] for b in bias]
        config = config | {"units" if isinstance(layer, layers.Dense) else "filters": len(own)}
    return Cut(config, [kernel, *bias], own)
