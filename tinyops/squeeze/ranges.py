"""The ranges of a float model's tensors over windows, as many as it takes. Imports LiteRT: for the worker only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyops.errors import SpecError
from tinyops.squeeze.convergence import Growth, growth, settled, sizes
from tinyops.squeeze.litert import computed, float_interpreter
from tinyops.worker import Emit

Extremes = NDArray[np.float32]


@dataclass(frozen=True)
class Found:
    """`low` and `high` [N, tensors] of every window that was looked at, and how the ranges grew on the way."""

    names: tuple[str, ...]
    low: Extremes
    high: Extremes
    steps: tuple[Growth, ...]

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        pairs = zip(self.low.min(axis=0).tolist(), self.high.max(axis=0).tolist(), strict=True)
        return dict(zip(self.names, pairs, strict=True))


def find_ranges(model: bytes, inputs: NDArray[np.float32], emit: Emit) -> Found:
    """Smallest and largest value of every computed float tensor, over the first of the inputs [N, …].

    The number of inputs doubles until the ranges have settled, or there are no more.
    Raises SpecError for a tensor that takes values that are no numbers.
    """
    interpreter = float_interpreter(model, keep_all=True)
    start, tensors = interpreter.get_input_details()[0]["index"], computed(interpreter)
    low, high = (np.empty((len(inputs), len(tensors)), np.float32) for _ in range(2))
    names, steps, done = tuple(tensors), list[Growth](), 0
    for number in sizes(len(inputs)):
        emit({"progress": done, "total": len(inputs), "message": f"calibrating with {number} windows"})
        for row in range(done, number):
            interpreter.set_tensor(start, inputs[row][None])
            interpreter.invoke()
            for column, index in enumerate(tensors.values()):
                values = interpreter.get_tensor(index)
                low[row, column], high[row, column] = values.min(), values.max()
        steps.append(growth(low[:number], high[:number], done, names))
        done = number
        if settled(steps):
            break
    found = Found(names, low[:done], high[:done], tuple(steps))
    _refuse_infinite(found)
    return found


def _refuse_infinite(found: Found) -> None:
    bad = [name for name, its in found.ranges.items() if not np.isfinite(its).all()]
    if bad:
        raise SpecError(f"calibration: {bad[0][:80]} takes values that are not finite", hint="train the model again")
