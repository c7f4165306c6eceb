"""Quantised .tflite graphs to C99 and model images.

`run` is the compile step, `tinyops.compiler.image.run` the image step, `compile_model` the pure function
between a graph and its sources. Nothing heavy is imported until one of them runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.compiler.options import CompileOptions, Signal

if TYPE_CHECKING:
    from tinyops.artifacts import Progress, Step
    from tinyops.compiler.compiled import CompiledModel
    from tinyops.features import Features
    from tinyops.files import JsonObject
    from tinyops.graph import Graph
    from tinyops.split.document import PartDocument

__all__ = ["CompileOptions", "Signal", "compile_model", "run"]


def compile_model(
    graph: Graph, features: Features, options: CompileOptions, part: PartDocument | None = None
) -> CompiledModel:
    """See `tinyops.compiler.compiled.compile_model`."""
    from tinyops.compiler.compiled import compile_model as compile_now

    return compile_now(graph, features, options, part)


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """The compile step: `int8.tflite` and `features.json` to a C library, contract.json and compile.json.

    Facts: arena_bytes, macs, weights_bytes, operators, contract (digest). Raises SpecError and DoesNotFit.
    """
    from tinyops.compiler.step import run as run_now

    return run_now(step, inputs, out, report)
