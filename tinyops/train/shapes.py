"""Shapes and parameters of a list of layers, without a framework: what cannot be built is refused in an instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from tinyops.errors import SpecError

Shape = tuple[int, ...]
PARAMETERS_LIMIT = 20_000_000
FLAT, SERIES, PICTURE = 1, 2, 3  # the number of axes: [units], [frames, channels], [height, width, channels]
_NAMES = {FLAT: "[units]", SERIES: "[frames, channels]", PICTURE: "[height, width, channels]"}
# How many axes the input of each kind of layer may have.
_TAKES: dict[str, tuple[int, ...]] = {
    "dense": (FLAT,),
    "conv1d": (SERIES,),
    "conv2d": (PICTURE,),
    "depthwise_conv2d": (PICTURE,),
    "max_pool": (SERIES, PICTURE),
    "average_pool": (SERIES, PICTURE),
    "global_average_pool": (SERIES, PICTURE),
    "flatten": (SERIES, PICTURE),
    "dropout": (FLAT, SERIES, PICTURE),
}
_ADVICE = {
    FLAT: "put it before flatten or global_average_pool",
    SERIES: "put flatten or global_average_pool before it, or use a layer for [frames, channels]",
    PICTURE: "put flatten or global_average_pool before it, or use a layer for [height, width, channels]",
}


@dataclass(frozen=True)
class LayerFacts:
    """One layer's name, kind, output shape and trained parameters."""

    name: str
    kind: str
    shape: Shape
    parameters: int


def layer_facts(layers: Sequence[dict[str, Any]], input_shape: Shape, classes: int) -> tuple[LayerFacts, ...]:
    """Every layer's output shape, the final dense layer included. Raises SpecError naming the layer that cannot be."""
    facts: list[LayerFacts] = []
    shape = input_shape
    for number, layer in enumerate(layers, 1):
        name, kind = f"layers[{number - 1}]", layer["kind"]
        if len(shape) not in _TAKES[kind]:
            wanted = " or ".join(_NAMES[n] for n in _TAKES[kind])
            message = f"architecture.{name}: {kind} takes {wanted}, here it gets {list(shape)}"
            raise SpecError(message, hint=_ADVICE[len(shape)])
        after = _shape_after(layer, shape)
        if min(after) < 1:
            raise SpecError(
                f"architecture.{name}: {kind} has nothing left to look at: its input is {list(shape)}",
                hint="use a smaller kernel or size, fewer layers before it, or a longer window",
            )
        facts.append(LayerFacts(f"layer_{number}", kind, after, _parameters(layer, shape, after)))
        shape = after
    if len(shape) != FLAT:
        raise SpecError(
            f"architecture.layers: end with the shape {list(shape)}, and the classes need a flat one",
            hint="add flatten or global_average_pool at the end",
        )
    facts.append(LayerFacts("classes", "dense", (classes,), (shape[0] + 1) * classes))
    total = sum(f.parameters for f in facts)
    if total > PARAMETERS_LIMIT:
        raise SpecError(f"architecture.layers: {total:,} parameters are more than {PARAMETERS_LIMIT:,}")
    return tuple(facts)


def _shape_after(layer: dict[str, Any], shape: Shape) -> Shape:
    match layer["kind"]:
        case "dense":
            return (int(layer["units"]),)
        case "conv1d":
            return (_length(shape[0], layer["kernel"], layer["stride"], layer["padding"]), int(layer["filters"]))
        case "conv2d" | "depthwise_conv2d":
            sides = [
                _length(side, kernel, stride, layer["padding"])
                for side, kernel, stride in zip(shape[:2], layer["kernel"], layer["stride"], strict=True)
            ]
            return (*sides, int(layer.get("filters", shape[2])))
        case "max_pool" | "average_pool":
            return (*(side // int(layer["size"]) for side in shape[:-1]), shape[-1])
        case "global_average_pool":
            return shape[-1:]
        case "flatten":
            return (prod(shape),)
        case _:
            return shape


def _length(length: int, kernel: int, stride: int, padding: str) -> int:
    if padding == "same":
        return -(-length // stride)
    return (length - kernel) // stride + 1 if length >= kernel else 0


def _parameters(layer: dict[str, Any], before: Shape, after: Shape) -> int:
    scales = 2 if layer.get("batch_norm") else 1  # scale and offset of the normalisation, or the bias
    match layer["kind"]:
        case "dense":
            return (before[0] + 1) * after[0]
        case "conv1d":
            return after[1] * (before[1] * int(layer["kernel"]) + scales)
        case "conv2d":
            return after[2] * (before[2] * _area(layer) + scales)
        case "depthwise_conv2d":
            return after[2] * (_area(layer) + scales)
        case _:
            return 0


def _area(layer: dict[str, Any]) -> int:
    height, width = layer["kernel"]
    return int(height) * int(width)
