"""Architectures made narrower or shallower: pure, from the JSON of one to the JSON of another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinyops.files import JsonObject

SIZES = {"dense": "units", "conv1d": "filters", "conv2d": "filters"}  # what says how many outputs a layer has
PASSED = "passed"  # of a python architecture: what a variant gives the function besides its args


def widened(architecture: JsonObject, share: float) -> JsonObject:
    """Hidden layers with that share of their units or filters, rounded, at least one."""
    kind = architecture["kind"]
    if kind == "layers":
        return architecture | {"layers": [_scaled(layer, share) for layer in architecture["layers"]]}
    if kind == "autoencoder":
        return architecture | {"units": [_share(units, share) for units in architecture["units"]]}
    return _passed(architecture, "width", share)


def shallower(architecture: JsonObject, share: float) -> JsonObject:
    """That share of the layers that repeat a shape, rounded down: the last ones go first."""
    kind = architecture["kind"]
    if kind == "python":
        return _passed(architecture, "depth", share)
    found = repeats(architecture)
    gone = {place for run in found[int(len(found) * share + 1e-9) :] for place in run}
    name = "layers" if kind == "layers" else "units"
    return architecture | {name: [layer for place, layer in enumerate(architecture[name]) if place not in gone]}


def repeats(architecture: JsonObject) -> list[range]:
    """Layers whose output has the shape of their input, so that what follows does not notice when they are gone.

    A depthwise convolution goes with the convolution after it, or stays.
    """
    if architecture["kind"] == "autoencoder":
        units = architecture["units"]
        return [range(n, n + 1) for n in range(1, len(units)) if units[n] == units[n - 1]]
    return list(_repeated_layers(architecture["layers"])) if architecture["kind"] == "layers" else []


def _repeated_layers(layers: list[dict[str, Any]]) -> Iterator[range]:
    channels = None  # of what reaches a layer, where layers before it say so
    for place, layer in enumerate(layers):
        size = SIZES.get(layer["kind"])
        if size is not None:
            begin = place - 1 if place and layers[place - 1]["kind"] == "depthwise_conv2d" else place
            if layer[size] == channels and all(_keeps_positions(one) for one in layers[begin : place + 1]):
                yield range(begin, place + 1)
            channels = layer[size]
        elif layer["kind"] == "flatten":
            channels = None


def _keeps_positions(layer: dict[str, Any]) -> bool:
    if layer["kind"] == "dense":
        return True
    stride, kernel = (value if isinstance(value, list) else [value] for value in (layer["stride"], layer["kernel"]))
    return set(stride) == {1} and (layer["padding"] == "same" or set(kernel) == {1})


def _scaled(layer: dict[str, Any], share: float) -> dict[str, Any]:
    size = SIZES.get(layer["kind"])
    return layer if size is None else layer | {size: _share(layer[size], share)}


def _share(number: int, share: float) -> int:
    return max(1, int(number * share + 0.5))


def _passed(architecture: JsonObject, name: str, value: float) -> JsonObject:
    return architecture | {PASSED: {**architecture.get(PASSED, {}), name: value}}
