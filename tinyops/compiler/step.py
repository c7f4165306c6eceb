"""The compile step: reads its inputs, compiles, writes a self-contained C library and its descriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.compiler.compiled import CompiledModel, compile_model
from tinyops.compiler.contract import contract_digest
from tinyops.compiler.host import write_sources
from tinyops.compiler.options import CompileOptions
from tinyops.errors import SpecError
from tinyops.features import TensorFeatures, read_features
from tinyops.files import JsonObject, pretty_json, read_bounded, write_atomic
from tinyops.graph import Graph, parse_graph
from tinyops.graph.reader import MAX_BYTES
from tinyops.split.document import PART_FILE, read_part

MODEL, FEATURES = "int8.tflite", "features.json"


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """See `tinyops.compiler.run`."""
    if MODEL not in inputs:
        raise SpecError(f"{step.id}: needs the input {MODEL}")
    options = CompileOptions.from_settings(step.settings)
    report(Progress(0, 3, f"reading {MODEL}"))
    graph = parse_graph(read_bounded(inputs[MODEL], MAX_BYTES), MODEL)
    features = read_features(inputs[FEATURES]) if FEATURES in inputs else TensorFeatures()
    report(Progress(1, 3, f"compiling {len(graph.operators)} operators for {options.board}"))
    part = read_part(inputs[PART_FILE]) if PART_FILE in inputs else None
    compiled = compile_model(graph, features, options, part)
    report(Progress(2, 3, "writing C"))
    write_sources(compiled.sources, out)
    write_atomic(out / "contract.json", pretty_json(compiled.contract))
    write_atomic(out / "compile.json", pretty_json(describe(compiled)))
    report(Progress(3, 3, "compiled"))
    return facts(compiled)


def facts(compiled: CompiledModel) -> JsonObject:
    return {
        "arena_bytes": compiled.arena.bytes,
        "macs": compiled.macs,
        "weights_bytes": compiled.weights_bytes,
        "operators": len(compiled.graph.operators),
        "contract": contract_digest(compiled.contract),
    }


def describe(compiled: CompiledModel) -> JsonObject:
    """compile.json: what was made of the model, for reports and for the image step."""
    graph, arena = compiled.graph, compiled.arena
    return {
        **facts(compiled),
        "model": graph.digest,
        "prefer": compiled.options.prefer,
        "streamed_rows": compiled.stretch.streamed_rows if compiled.stretch else 0,
        "by_rows": _by_rows(compiled),
        "arena": {
            "bytes": arena.bytes,
            "lower_bound": arena.plan.lower_bound,
            "state": {"offset": arena.state.offset, "bytes": arena.state.bytes},
            "variables": {"offset": arena.variables.offset, "bytes": arena.variables.bytes},
            "buffers": [
                {
                    "name": b.name,
                    "offset": arena.plan.offsets[b.name],
                    "bytes": b.bytes,
                    "first": b.first,
                    "last": b.last,
                }
                for b in arena.buffers
            ],
        },
        "inputs": [_edge(compiled, i) for i in graph.inputs],
        "outputs": [_edge(compiled, i) for i in graph.outputs],
        "passes": [
            {"name": a.name, "removed": list(a.removed), "changed": list(a.changed), "moved": list(a.moved)}
            for a in compiled.applied
        ],
        "layers": _layers(compiled),
        **_part(compiled),
    }


def _part(compiled: CompiledModel) -> JsonObject:
    """Of a part: what its image says of messages, to read and as it lies there."""
    table = compiled.part
    if table is None:
        return {}
    sizes = {"takes_bytes": table.takes_bytes, "gives_bytes": table.gives_bytes, "held_bytes": table.held_bytes}
    place = {"set": table.members, "position": table.position, "parts": table.parts}
    return {"part": {**place, **sizes, "table": table.pack().hex()}}


def _by_rows(compiled: CompiledModel) -> JsonObject | None:
    """The operators that run together, and in how many strips."""
    stretch = compiled.stretch
    if stretch is None:
        return None
    return {"first": stretch.first, "last": stretch.last, "strips": stretch.played.strips}


def _edge(compiled: CompiledModel, index: int) -> JsonObject:
    tensor, span = compiled.graph.tensors[index], compiled.arena.tensors[index]
    quantisation = tensor.quantisation
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "type": tensor.dtype,
        "offset": span.offset,
        "bytes": span.bytes,
        "scale": quantisation.scales[0] if quantisation else None,
        "zero_point": quantisation.zero_points[0] if quantisation else None,
    }


def _layers(compiled: CompiledModel) -> list[JsonObject]:
    graph: Graph = compiled.graph
    found: list[JsonObject] = []
    predicted = compiled.predicted_instructions
    for operator, low, instructions in zip(graph.operators, compiled.lowered, predicted, strict=True):
        outputs = [graph.tensors[i] for i in operator.outputs]
        found.append(
            {
                "number": operator.number,
                "operator": operator.name,
                "name": "; ".join(tensor.name for tensor in outputs),
                "inputs": [list(graph.tensors[i].shape) for i in operator.inputs if i is not None],
                "shape": list(outputs[0].shape),
                "outputs": [list(tensor.shape) for tensor in outputs],
                "macs": low.macs,
                "weights_bytes": sum(c.bytes for c in low.constants),
                "kernel": low.kernel.source if low.kernel else None,
                "predicted_instructions": instructions,
            }
        )
    return found
