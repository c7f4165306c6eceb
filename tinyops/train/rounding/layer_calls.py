"""A Keras network as a list of calls, and the same network called again with something else in between.

Imports Keras: for the worker only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from tinyops.errors import SpecError
from tinyops.train.rounding.grids import START, Call, Kind

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("Dense", "Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D"), "weights"),
    "BatchNormalization": "norm",
    **dict.fromkeys(("Add", "Subtract", "Multiply"), "sum"),
    **dict.fromkeys(("Flatten", "Reshape", "Permute", "Dropout", "SpatialDropout1D", "SpatialDropout2D"), "moving"),
    **dict.fromkeys(("MaxPooling1D", "MaxPooling2D", "ZeroPadding1D", "ZeroPadding2D", "Cropping1D"), "moving"),
    **dict.fromkeys(("AveragePooling1D", "AveragePooling2D"), "average"),
    **dict.fromkeys(("GlobalAveragePooling1D", "GlobalAveragePooling2D", "LeakyReLU", "PReLU"), "other"),
    "Concatenate": "join",
    "Softmax": "softmax",
}
_ACTIVATIONS: dict[str, Kind] = {
    **dict.fromkeys(("relu", "relu6"), "relu"),
    "linear": "moving",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "softmax": "softmax",
    "hard_silu": "other",
    "leaky_relu": "other",
}


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer, with its symbolic arguments and result."""

    layer: Any
    kind: Kind
    args: tuple[Any, ...]
    keywords: Mapping[str, Any]
    result: Any


Values = dict[int, Any]  # by the id of the symbolic tensor that they stand for
Caller = Callable[[LayerCall, tuple[Any, ...]], Any]


def layer_calls(network: Any, field: str) -> tuple[Any, list[LayerCall]]:
    """The network as a functional one, and the calls of its layers in their order. `field` of the variant asks for it.

    Raises SpecError for layers whose rounding is not known, and for those that are called twice.
    """
    found: list[LayerCall] = []
    # A Sequential has no calls; of its ends, a functional model has the same layers.
    functional = keras.Model(network.inputs[0], network.outputs[0], name=network.name)

    def call(layer: Any, *args: Any, **keywords: Any) -> Any:
        result = layer(*args, **keywords)
        found.append(LayerCall(layer, _kind(layer, field), args, keywords, result))
        return result

    twin = keras.models.clone_model(functional, clone_function=lambda layer: layer, call_function=call)
    names = [each.layer.name for each in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _refusal(field, f"layer {twice} is called twice", "call each layer once")
    return twin, found


def _kind(layer: Any, field: str) -> Kind:
    name = type(layer).__name__
    if name == "ReLU":
        return "relu" if _is_plain(layer) else "other"
    kind = _ACTIVATIONS.get(_activation(layer)) if name == "Activation" else _KINDS.get(name)
    if kind is None:
        said = f"{name} {_activation(layer)}" if name == "Activation" else name
        raise _refusal(field, f"layer {layer.name} is a {said}, whose rounding is not known", "")
    return kind


def _is_plain(layer: Any) -> bool:
    return layer.max_value in (None, 6) and not layer.negative_slope and not layer.threshold


def _activation(layer: Any) -> str:
    return str(getattr(layer.activation, "__name__", layer.activation))


def _refusal(field: str, message: str, hint: str) -> SpecError:
    hint = hint or f"use the layers of docs/architectures.md, or leave {field} out of squeeze.variants"
    return SpecError(f"{field}: {message}", hint=hint)


def described(network: Any, calls: Sequence[LayerCall]) -> tuple[list[Call], list[str]]:
    """The calls by names alone, and the names of the layers that give the outputs."""
    givers = {id(tensor): START for tensor in network.inputs}
    named = []
    for call in calls:
        tensors = keras.tree.flatten((call.args, dict(call.keywords)))
        takes = tuple(givers[id(tensor)] for tensor in tensors if id(tensor) in givers)
        named.append(Call(call.layer.name, call.kind, takes))
        givers[id(call.result)] = call.layer.name
    return named, [givers[id(tensor)] for tensor in network.outputs]


def call_again(network: Any, calls: Sequence[LayerCall], caller: Caller, start: Callable[[Any], Any]) -> Any:
    """A network of the same calls, each made by `caller`; `start` is what becomes of the input."""
    entry = keras.Input(network.inputs[0].shape[1:], name=START)
    values: Values = {id(network.inputs[0]): start(entry)}

    def now(value: Any) -> Any:
        return values.get(id(value), value)

    for call in calls:
        args = keras.tree.map_structure(now, call.args)
        values[id(call.result)] = caller(call, args)
    return keras.Model(entry, now(network.outputs[0]), name=network.name)


def activation_layer(layer: Any) -> Any | None:
    """The activation that a layer of weights ends with, as a layer of its own."""
    name = _activation(layer)
    if name == "linear":
        return None
    own = f"{layer.name}_{name}"
    return layers.ReLU(name=own) if name == "relu" else layers.Activation(layer.activation, name=own)
