"""Rounding in the forward pass, as the int8 model rounds; gradients pass as if there were none.

Scales and zero points are those of the quantiser: weights are symmetric in 8 bits without -128, activations have 256
steps of a range that holds zero. Imports Keras: for the worker only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import initializers, layers, ops

from tinyops.train.rounding.few_values import TABLE, Few, cut_off, int4_levels, on_levels, table_levels

LOWEST, HIGHEST = -128.0, 127.0
SMALLEST = 1e-9  # of a range: no scale is zero


def on_grid(values: Any, low: Any, high: Any) -> Any:
    """Activations on the grid of a range. What lies outside saturates, and has no gradient."""
    low, high = ops.minimum(low, 0.0), ops.maximum(high, 0.0)
    scale = ops.maximum(high - low, SMALLEST) / (HIGHEST - LOWEST)
    zero = ops.round(LOWEST - low / scale)
    kept = ops.clip(values, (LOWEST - zero) * scale, (HIGHEST - zero) * scale)
    steps = ops.clip(ops.round(values / scale) + zero, LOWEST, HIGHEST)
    return _through(kept, (steps - zero) * scale)


def weights_on_grid(kernel: Any, axes: tuple[int, ...]) -> Any:
    """Weights on their grids; one scale is for all values along `axes`."""
    scale = ops.maximum(ops.max(ops.abs(kernel), axis=axes, keepdims=True), SMALLEST) / HIGHEST
    scale = ops.stop_gradient(scale)
    return _through(kernel, ops.round(kernel / scale) * scale)


def weights_on_levels(kernel: Any, axes: tuple[int, ...], levels: Any) -> Any:
    """Weights on the nearest of ascending levels, which are shares of the largest magnitude along `axes`."""
    largest = ops.maximum(ops.max(ops.abs(kernel), axis=axes, keepdims=True), SMALLEST)
    between = (levels[1:] + levels[:-1]) / 2
    places = ops.sum(ops.cast(ops.expand_dims(kernel / largest, -1) > between, "int32"), axis=-1)
    return _through(kernel, ops.stop_gradient(ops.take(levels, places) * largest))


def _through(values: Any, rounded: Any) -> Any:
    """`rounded`, to the last bit, with the gradient of `values`."""
    return ops.stop_gradient(rounded) + (values - ops.stop_gradient(values))


def shared_axes(layer: Any, per: str) -> tuple[int, ...]:
    """Over which axes of its kernel a layer has one scale."""
    axes = len(layer.kernel.shape)
    if per == "tensor":
        return tuple(range(axes))
    return tuple(range(axes - (2 if "Depthwise" in type(layer).__name__ else 1)))


class RoundedWeights(layers.Layer):  # type: ignore[misc]
    """A layer of weights, called with its kernel rounded; the weights stay those of the layer.

    With `few`, the kernel has few values: `fit` finds which, `settle` makes them the layer's own.
    """

    def __init__(self, layer: Any, per: str, few: Few | None = None) -> None:
        super().__init__(name=layer.name)
        self._layer, self._axes = layer, shared_axes(layer, per)
        self.few = few
        self._levels: Any = None
        if few is not None:
            start = int4_levels() if few == "int4" else np.zeros(TABLE, np.float32)
            self._levels = self.add_weight(name="levels", shape=start.shape, initializer="zeros", trainable=False)
            self._levels.assign(start)
        self.built = True

    def cut_off(self) -> None:
        """Limits what lies far out of the others, where levels are evenly apart."""
        if self.few == "int4":
            self.kernel.assign(cut_off(np.asarray(self.kernel), self._axes))

    def fit(self) -> None:
        """Finds the levels of a table anew: weights have moved."""
        if self.few == "table":
            self._levels.assign(table_levels(np.asarray(self.kernel), self._axes))

    def settle(self) -> int:
        """Rounds the layer's own weights for good. Returns how many levels there are."""
        levels = np.asarray(self._levels)
        self.kernel.assign(on_levels(np.asarray(self.kernel), levels, self._axes))
        return len(np.unique(levels))

    def _rounded(self, kernel: Any) -> Any:
        if self._levels is None:
            return weights_on_grid(kernel, self._axes)
        return weights_on_levels(kernel, self._axes, self._levels)

    @property
    def kernel(self) -> Any:
        return self._layer.kernel

    def call(self, inputs: Any) -> Any:
        layer = self._layer
        trained = [
            self._rounded(variable) if variable is layer.kernel else variable for variable in layer.trainable_variables
        ]
        return layer.stateless_call(trained, [], inputs)[0]

    def compute_output_shape(self, shape: Any) -> Any:
        return self._layer.compute_output_shape(shape)


class Rounding(layers.Layer):  # type: ignore[misc]
    """Puts activations on the grid of a range, which is set from outside."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        zeros = initializers.Zeros()
        self.low = self.add_weight(name="low", shape=(), initializer=zeros, trainable=False)
        self.high = self.add_weight(name="high", shape=(), initializer=zeros, trainable=False)
        self.built = True

    def set_range(self, low: float, high: float) -> None:
        self.low.assign(low)
        self.high.assign(high)

    def call(self, inputs: Any) -> Any:
        return on_grid(inputs, self.low, self.high)

    def compute_output_shape(self, shape: Any) -> Any:
        return shape
