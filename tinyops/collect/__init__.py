"""Collect: recordings from pinned sources, checked, split once, as int16 counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.files import JsonObject


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """Makes `recordings.npz` and `dataset.json`; a `StepFunction`."""
    from tinyops.collect.step import collect  # numpy loads only when a step runs

    return collect(step, inputs, out, report)
