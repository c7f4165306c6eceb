"""The image step: a compiled model as bytes that run in place, or as a shared object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinyops.artifacts import Progress, Step
    from tinyops.files import JsonObject

__all__ = ["run"]


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """The image step: every output of a compile step to model.bin and model.elf, to model.so or model.wasm, and
    image.json.

    Settings: cpu, board, slot_bytes (None where no slot limits it). Lock: compiler {name, version}. Facts are those
    of image.json. Raises ToolError (compiler missing, other than the lock's, or failing), SpecError (an object or
    the image holds what cannot be moved) and DoesNotFit (larger than its slot).
    """
    from tinyops.compiler.image.step import run as run_now

    return run_now(step, inputs, out, report)
