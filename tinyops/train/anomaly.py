"""Autoencoders that judge by a threshold, as Keras models. Imports Keras: for the worker only.

Training makes a network that copies a window through a narrow code. What the device runs is that network and its
judgement in one graph: the mean absolute error of the copy, against the threshold, as two outputs of a softmax. So an
anomaly model is a classifier of two classes to everything that follows, and int8 ranges are calibrated on normal
windows alone: what is further away saturates, and stays an anomaly.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

STEEPNESS = 4.0  # the softmax's input at an error of twice the threshold: e^8 to one


def flat(inputs: Any) -> Any:
    """Windows [N, …] as [N, values]."""
    return inputs.reshape(len(inputs), -1)


def build_autoencoder(request: dict[str, Any]) -> Any:
    """The untrained copier: input [batch, *input_shape], output [batch, values]."""
    shape = tuple(request["input_shape"])
    start = keras.Input(shape, name="input")
    tensor = layers.Flatten(name="flatten")(start) if len(shape) > 1 else start
    values = int(np.prod(shape))
    for number, units in enumerate(request["architecture"]["units"], 1):
        tensor = layers.Dense(units, activation="relu", name=f"layer_{number}")(tensor)
    return keras.Model(start, layers.Dense(values, name="copy")(tensor), name="autoencoder")


class _Error(layers.Layer):  # type: ignore[misc]
    """The mean absolute difference of two inputs [batch, values]: [batch, 1]."""

    def call(self, inputs: Any) -> Any:
        above, below = ops.relu(inputs[0] - inputs[1]), ops.relu(inputs[1] - inputs[0])  # |x| has no int8 form
        return ops.mean(above + below, axis=1, keepdims=True)


def judging(coder: Any, threshold: float, normal: int) -> Any:
    """The trained copier with its judgement: output [batch, 2] of softmax, class `normal` below the threshold."""
    start = coder.inputs[0]
    window = layers.Flatten(name="window")(start) if len(start.shape) > 2 else start
    error = _Error(name="error")([window, coder.outputs[0]])
    classes = layers.Dense(2, name="classes")
    logits = classes(error)
    slope = np.array([1.0, -1.0] if normal == 1 else [-1.0, 1.0], np.float32) * STEEPNESS
    classes.set_weights([slope[None, :] / max(threshold, 1e-6), -slope])
    return keras.Model(start, layers.Softmax(name="softmax")(logits), name="network")
