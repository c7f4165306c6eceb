"""Fitting a Keras model to a course: the windows of each epoch, what they should give, and the loss between.

Imports Keras: for the worker only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from tinyops.errors import SpecError
from tinyops.worker import Emit

HISTORY_DIGITS = 6


@dataclass(frozen=True)
class Course:
    """What is learnt. Epochs are counted through everything that is done to a network, tuning included.

    `inputs` are by epoch, `targets` by epoch and its inputs; both have `windows` rows, always in the same order.
    `changes` says whether each epoch has inputs of its own.
    """

    inputs: Callable[[int], Any]
    targets: Callable[[int, Any], Any]
    changes: bool
    windows: int
    batch: int
    loss: Any
    metrics: tuple[Any, ...]


@dataclass(frozen=True)
class Budget:
    """For how many epochs, from which learning rate; it falls to zero along a cosine."""

    epochs: int
    learning_rate: float


class Diary:
    """How far training is: the history of all fits of one step. It ends a fit whose loss is no number."""

    def __init__(self, epochs: int, emit: Emit) -> None:
        self.history: list[dict[str, Any]] = []
        self._epochs, self._emit, self._begin = epochs, emit, time.monotonic()

    @property
    def done(self) -> int:
        """Epochs that are behind us."""
        return len(self.history)

    def say(self, message: str) -> None:
        self._emit({"progress": self.done, "message": message})

    def write(self, figures: Mapping[str, float], doing: str) -> None:
        """The figures of one more epoch."""
        loss, done = figures["loss"], self.done + 1
        if not math.isfinite(loss):
            raise SpecError(
                f"training: the loss is {loss} after epoch {done}",
                hint="lower training.learning_rate; it is often ten times too high when this happens",
            )
        self.history.append({"epoch": done, **{name: round(value, HISTORY_DIGITS) for name, value in figures.items()}})
        left_s = (time.monotonic() - self._begin) / done * (self._epochs - done)
        accuracy = f"  accuracy {figures['accuracy']:.3f}" if "accuracy" in figures else ""
        what = f"{doing}: " if doing else ""
        self.say(f"{what}epoch {done}/{self._epochs}  loss {loss:.4f}{accuracy}  {left_s:.0f} s left")


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells the diary, and keeps what is held at zero there."""

    def __init__(self, diary: Diary, doing: str, held: Mapping[str, Any]) -> None:
        super().__init__()
        self._diary, self._doing, self._held = diary, doing, held

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        hold(self.model, self._held)

    def on_epoch_end(self, _epoch: int, logs: dict[str, float] | None = None) -> None:
        self._diary.write({name: float(value) for name, value in (logs or {}).items()}, self._doing)


def hold(network: Any, held: Mapping[str, Any]) -> None:
    """Multiplies kernels by their masks; `held` is by the name of the layer."""
    for name, mask in held.items():
        kernel = network.get_layer(name).kernel
        kernel.assign(kernel * mask)


def learn(
    network: Any,
    course: Course,
    budget: Budget,
    diary: Diary,
    *,
    doing: str = "",
    held: Mapping[str, Any] | None = None,
    callbacks: tuple[Any, ...] = (),
) -> None:
    """Fits the network with Adam, from the epoch at which the diary is. Kernels in `held` keep their zeros.

    `callbacks` are Keras's, and come before; they may change `held`, which is looked at after every step.
    """
    # The rate falls to zero along a cosine: the last epochs then settle, whatever the seed.
    steps = budget.epochs * math.ceil(course.windows / course.batch)
    rate = keras.optimizers.schedules.CosineDecay(budget.learning_rate, steps)
    network.compile(keras.optimizers.Adam(rate), course.loss, metrics=list(course.metrics))
    watch = _Watch(diary, doing, {} if held is None else held)
    options: dict[str, Any] = {"batch_size": course.batch, "verbose": 0, "callbacks": [*callbacks, watch]}
    first = diary.done
    last = first + budget.epochs
    stretches = [(epoch, epoch + 1) for epoch in range(first, last)] if course.changes else [(first, last)]
    for begin, end in stretches:
        inputs = course.inputs(begin)
        network.fit(inputs, course.targets(begin, inputs), initial_epoch=begin, epochs=end, **options)
