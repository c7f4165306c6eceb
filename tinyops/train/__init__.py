"""Train: a float model from recordings, in a subprocess, for only it loads TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.files import JsonObject


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """Makes `float.tflite`, `features.json` and `training.json`; a `StepFunction`."""
    from tinyops.train.step import train  # numpy loads only when a step runs

    return train(step, inputs, out, report)
