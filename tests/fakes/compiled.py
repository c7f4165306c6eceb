"""Compiles .tflite bytes and runs them on this machine; kernels are built once a process and set of flags."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyops.compiler import CompileOptions, compile_model
from tinyops.compiler.compiled import CompiledModel, compile_lowered
from tinyops.compiler.host import WARNINGS, write_sources
from tinyops.compiler.lowering import lower_graph
from tinyops.compiler.options import RUNTIME
from tinyops.compiler.passes import run_passes
from tinyops.compiler.passes.ordering import keeps_state
from tinyops.features import Features, TensorFeatures
from tinyops.graph import parse_graph

RUNNER = Path(__file__).parents[1] / "runtime" / "run_model.c"
PLAIN = ("-O1",)
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
BASE = ("-std=c99", *WARNINGS, "-D_ISOC11_SOURCE")


def compile_bytes(model: bytes, features: Features | None = None, **options: object) -> CompiledModel:
    graph = parse_graph(model, "test.tflite")
    return compile_model(graph, features or TensorFeatures(), CompileOptions(**options))  # type: ignore[arg-type]


def compile_special(model: bytes, cpu: str, prefer: str = "balanced", *, plain: bool = False) -> CompiledModel:
    """With the most special kernel that each operator can have on a core, or the plain one, whatever it costs."""
    graph, applied = run_passes(parse_graph(model, "test.tflite"))
    lowered = tuple(ways[0 if plain else -1] for ways in lower_graph(graph, cpu))
    return compile_lowered(graph, applied, (lowered,), TensorFeatures(), CompileOptions(cpu=cpu, prefer=prefer))


@functools.cache
def _kernels(flags: tuple[str, ...]) -> tuple[tempfile.TemporaryDirectory[str], list[Path]]:
    """Objects of every kernel and of the runner."""
    folder = tempfile.TemporaryDirectory(prefix="tinyops-kernels-")
    sources = [*sorted((RUNTIME / "kernels").glob("*.c")), RUNNER]
    argv = ["gcc", *BASE, *flags, "-I", str(RUNTIME / "include"), "-c", *map(str, sources)]
    subprocess.run(argv, check=True, cwd=folder.name)
    return folder, sorted(Path(folder.name).glob("*.o"))


def run_compiled(compiled: CompiledModel, vectors: Sequence[bytes], flags: tuple[str, ...] = PLAIN) -> list[bytes]:
    """Output bytes of each vector, several outputs one after another. Raises when a sanitizer finds something."""
    _, kernels = _kernels(flags)
    generated = {n: t for n, t in compiled.sources.items() if "/" not in n}
    with tempfile.TemporaryDirectory(prefix="tinyops-test-") as scratch:
        sources = write_sources(generated, Path(scratch))
        program = Path(scratch) / "run"
        argv = ["gcc", *BASE, *flags, "-I", scratch, "-I", str(RUNTIME / "include"), "-o", str(program)]
        subprocess.run([*argv, *map(str, [*sources, *kernels])], check=True)
        done = subprocess.run([program], input=b"".join(vectors), capture_output=True, check=False)
    if done.returncode:
        raise AssertionError(f"exit status {done.returncode}: {done.stderr.decode(errors='replace')}")
    header, spans = compiled.header, [compiled.arena.tensors[t] for t in compiled.graph.outputs]
    places = [(span.offset - header.output_offset, span.bytes) for span in spans]
    regions = range(0, len(done.stdout), header.output_bytes)
    return [b"".join(done.stdout[i + at : i + at + size] for at, size in places) for i in regions]


def constants_in_arena(compiled: CompiledModel) -> set[int]:
    """Tensors in the arena that no input and no variable has a part in: they could lie in flash."""
    graph = compiled.graph
    changing = {*graph.inputs, *(t.index for t in graph.tensors if t.variable)}
    for operator in graph.operators:
        if changing.intersection(operator.inputs) or keeps_state(graph, operator):
            changing.update(operator.outputs)
    return set(compiled.arena.tensors) - changing - set(graph.outputs)


def input_vectors(compiled: CompiledModel, inputs: Sequence[NDArray]) -> list[bytes]:
    """Input regions: each tensor at its place, or all rows of one that is streamed."""
    header, graph = compiled.header, compiled.graph
    if header.input_rows > 1:
        return [np.ascontiguousarray(row).tobytes() for row in inputs[0]]
    region = np.zeros((len(inputs[0]), header.input_bytes), dtype=np.uint8)
    for tensor, values in zip(graph.inputs, inputs, strict=True):
        span = compiled.arena.tensors[tensor]
        start = span.offset - header.input_offset
        region[:, start : start + span.bytes] = np.ascontiguousarray(values).reshape(len(values), -1).view(np.uint8)
    return [row.tobytes() for row in region]


def random_inputs(compiled: CompiledModel, count: int, seed: int) -> list[NDArray]:
    """Values for each input tensor: extremes first, then uniform."""
    rng = np.random.default_rng(seed)
    found = []
    for index in compiled.graph.inputs:
        tensor = compiled.graph.tensors[index]
        if tensor.dtype == "float32":
            values: NDArray = rng.normal(0, 2, (count, *tensor.shape)).astype(np.float32)
            values[0] = 1e5  # far above the range, far below where the interpreter overflows
        else:
            limits = np.iinfo(tensor.dtype)
            values = rng.integers(limits.min, limits.max, (count, *tensor.shape), endpoint=True).astype(tensor.dtype)
            values[0], values[1 % count] = limits.min, limits.max
        found.append(values)
    return found
