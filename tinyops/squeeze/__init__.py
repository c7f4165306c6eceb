"""Squeeze: a full int8 model, its accuracy as the device computes it, and golden vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.files import JsonObject


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """Makes `int8.tflite`, `features.json`, `golden.bin`, `calibration.json`, `metrics.json`; a `StepFunction`."""
    from tinyops.squeeze.step import squeeze  # numpy loads only when a step runs

    return squeeze(step, inputs, out, report)
