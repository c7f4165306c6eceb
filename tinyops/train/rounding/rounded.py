"""A network twice: as it will be exported, and as its int8 model computes it. Both have the same weights.

Imports Keras: for the worker only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tinyops.train.rounding.fake_quant import RoundedWeights, Rounding
from tinyops.train.rounding.few_values import Few
from tinyops.train.rounding.folding import AWARE, folded
from tinyops.train.rounding.grids import START, Grid, find_grids
from tinyops.train.rounding.layer_calls import LayerCall, call_again, described, layer_calls

BATCH = 64
FEWEST = 64  # weights of a layer: of fewer, the compiler codes none


@dataclass(frozen=True)
class Rounded:
    """`plain` is exported, `rounding` is what learns; `watched` gives the plain one's tensors that have a range, `own`
    are the names of these, in its order."""

    plain: Any
    rounding: Any
    watched: Any
    own: tuple[str, ...]
    grids: dict[str, Grid]
    places: dict[str, Rounding]
    few: tuple[RoundedWeights, ...] = ()  # layers whose weights have few values

    def calibrate(self, inputs: Any) -> dict[str, tuple[float, float]]:
        """Sets every range to the smallest and the largest value over the inputs, of the network without rounding."""
        ranges = observed(self.watched, self.own, inputs)
        ranges |= {name: grid.fixed for name, grid in self.grids.items() if grid.fixed is not None}
        for name, place in self.places.items():
            place.set_range(*ranges[self.grids[name].like])
        return ranges


def rounded(network: Any, per: str, activations: str = "int8", field: str = AWARE, few: Few | None = None) -> Rounded:
    """The network with rounding; ranges are not set. `per` says what has a scale of weights, channel or tensor.

    Activations of int16 are left as they are but for the input, which is int8: they have 256 times as many steps.
    `field` of the variant asks for it. With `few`, large kernels get few values.

    Raises SpecError for a layer whose rounding is not known.
    """
    plain, calls = layer_calls(folded(network, field), field)
    grids = find_grids(*described(plain, calls))
    if activations == "int16":
        grids = {START: grids[START]}
    places = {name: Rounding(f"{name}_grid") for name in grids}

    made: list[RoundedWeights] = []

    def weighted(layer: Any) -> RoundedWeights:
        made.append(RoundedWeights(layer, per, few if few is not None and has_few(layer) else None))
        return made[-1]

    def call(each: LayerCall, args: tuple[Any, ...]) -> Any:
        name = each.layer.name
        if each.kind == "norm":
            each.layer.trainable = False  # learns no statistics any more
        called = weighted(each.layer) if each.kind == "weights" else each.layer
        result = called(*args, **each.keywords)
        return places[name](result) if name in places else result

    rounding = call_again(plain, calls, call, places[START])
    tensors = {START: plain.inputs[0], **{each.layer.name: each.result for each in calls}}
    own = tuple(name for name, grid in grids.items() if grid.like == name and grid.fixed is None)
    watched = keras.Model(plain.inputs[0], [tensors[name] for name in own])
    return Rounded(plain, rounding, watched, own, grids, places, tuple(layer for layer in made if layer.few))


def has_few(layer: Any) -> bool:
    """Whether a layer's weights are worth a code: those of depthwise layers are few, and one channel's count for all
    that becomes of it."""
    return "Depthwise" not in type(layer).__name__ and math.prod(layer.kernel.shape) >= FEWEST


def observed(watched: Any, names: tuple[str, ...], inputs: Any) -> dict[str, tuple[float, float]]:
    """The smallest and largest value of each of a network's outputs."""
    found = dict.fromkeys(names, (np.inf, -np.inf))
    for begin in range(0, len(inputs), BATCH):
        results = keras.tree.flatten(watched(inputs[begin : begin + BATCH], training=False))
        for name, tensor in zip(names, results, strict=True):
            values, (low, high) = np.asarray(tensor), found[name]
            found[name] = (min(low, float(values.min())), max(high, float(values.max())))
    return found


class Calibrating(keras.callbacks.Callback):  # type: ignore[misc]
    """Finds ranges before each epoch: weights have moved."""

    def __init__(self, both: Rounded, inputs: Any) -> None:
        super().__init__()
        self._both, self._inputs = both, inputs

    def on_epoch_begin(self, _epoch: int, _logs: Any = None) -> None:
        self._both.calibrate(self._inputs)


class Fitting(keras.callbacks.Callback):  # type: ignore[misc]
    """Finds the levels of tables before each epoch: weights have moved."""

    def __init__(self, few: tuple[RoundedWeights, ...]) -> None:
        super().__init__()
        self._few = few

    def on_epoch_begin(self, _epoch: int, _logs: Any = None) -> None:
        for layer in self._few:
            layer.fit()
