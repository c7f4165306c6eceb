"""Normalisation folded into the weights before it, as the converter does. Imports Keras: for the worker only."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers
from numpy.typing import NDArray

from tinyops.train.rounding.grids import folded_norms
from tinyops.train.rounding.layer_calls import LayerCall, activation_layer, call_again, described, layer_calls

AWARE = "quantisation_aware"  # the field of a variant that asks for it, unless another does

Weights = NDArray[np.float32]


def folded(network: Any, field: str = AWARE) -> Any:
    """The same function of layers of weights without normalisation or activation, which are layers of their own.

    Layers of weights are new and have the names of those before; all others are shared with the network.
    """
    network, calls = layer_calls(network, field)
    norms = folded_norms(*described(network, calls))
    layer_of = {call.layer.name: call.layer for call in calls}
    norm_of = {weights: layer_of[norm] for norm, weights in norms.items()}

    def call(each: LayerCall, args: tuple[Any, ...]) -> Any:
        if each.layer.name in norms:
            return args[0]
        if each.kind != "weights":
            return each.layer(*args, **each.keywords)
        return _call_folded(each.layer, norm_of.get(each.layer.name), args)

    return call_again(network, calls, call, lambda entry: entry)


def _call_folded(layer: Any, norm: Any | None, args: tuple[Any, ...]) -> Any:
    plain = type(layer).from_config({**layer.get_config(), "activation": "linear", "use_bias": True})
    plain.build(args[0].shape)
    kernel = np.asarray(layer.kernel)
    bias = np.asarray(layer.bias) if layer.use_bias else np.zeros(plain.bias.shape, np.float32)
    if norm is not None:
        kernel, bias = fold(kernel, bias, *_scaling(norm))
    plain.kernel.assign(kernel)
    plain.bias.assign(bias)
    activation = activation_layer(layer)
    result = plain(*args)
    return result if activation is None else activation(result)


def _scaling(norm: layers.BatchNormalization) -> tuple[Weights, Weights]:
    """What a normalisation multiplies each channel by, and adds."""
    spread = np.sqrt(np.asarray(norm.moving_variance) + norm.epsilon)
    factor = (np.asarray(norm.gamma) if norm.scale else np.float32(1)) / spread
    offset = np.asarray(norm.beta) if norm.center else np.float32(0)
    return factor, offset - np.asarray(norm.moving_mean) * factor


def fold(kernel: Weights, bias: Weights, factor: Weights, offset: Weights) -> tuple[Weights, Weights]:
    """Kernel and bias of outputs times `factor` plus `offset`, both by channel.

    A kernel's last axes are its channels: one axis, or of a depthwise kernel those of inputs and of multiples.
    """
    axes = kernel.shape[-1:] if kernel.shape[-1] == len(factor) else kernel.shape[-2:]
    return kernel * factor.reshape(axes), bias * factor + offset
