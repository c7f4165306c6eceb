"""The loss of a network that is taught, and its accuracy. Imports Keras: for the worker only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tinyops.train.techniques.distillation import LEAST


def distilled(temperature: float, weight: float, smoothing: float) -> Callable[[Any, Any], Any]:
    """Cross entropy with the labels, and `weight` of the divergence from the teacher's softened probabilities.

    The divergence is times the temperature squared: its gradients then keep their size, whatever the temperature.
    """

    def loss(targets: Any, outputs: Any) -> Any:
        labels, teacher = _halves(targets)
        hard = keras.losses.categorical_crossentropy(labels, outputs, label_smoothing=smoothing)
        logits = ops.log(ops.maximum(outputs, LEAST)) / temperature
        apart = ops.sum(teacher * (ops.log(ops.maximum(teacher, LEAST)) - ops.log_softmax(logits)), axis=-1)
        return (1 - weight) * hard + weight * temperature**2 * apart

    return loss


def accuracy(targets: Any, outputs: Any) -> Any:
    """By the labels."""
    labels, _ = _halves(targets)
    return ops.cast(ops.equal(ops.argmax(labels, axis=-1), ops.argmax(outputs, axis=-1)), "float32")


def _halves(targets: Any) -> tuple[Any, Any]:
    classes = targets.shape[-1] // 2
    return targets[:, :classes], targets[:, classes:]
