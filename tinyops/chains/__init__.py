"""Chains of boards: the steps that cut a model over them, and what of boards and links decides where.

`split` chooses the cuts by what parts cost when they are compiled; `part` makes a part's file and its golden vectors,
and proves that all parts together compute what the whole does. Both are `StepFunction`s, and import when they run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinyops.artifacts import Progress, Step
    from tinyops.files import JsonObject

__all__ = ["part", "split"]


def split(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """`int8.tflite` and `features.json` to `split.json`. Facts: cuts, set, how they came to be, and why.

    Raises DoesNotFit where no cuts, or not those that are asked for, suit the chain: which part, how many bytes short.
    """
    from tinyops.chains.split_step import run

    return run(step, inputs, out, report)


def part(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """`int8.tflite`, `golden.bin` and `split.json` to a part's `int8.tflite`, `golden.bin`, `part.json`,
    `features.json`, and `stream.bin` where frames come in."""
    from tinyops.chains.part_step import run

    return run(step, inputs, out, report)
