"""What `tinyops inspect` shows of a model: operators, tensors with their live ranges, the memory plan."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from tinyops.compiler.passes.kind import Applied
from tinyops.files import JsonObject
from tinyops.graph import Graph, Operator, Tensor, live_ranges, state_of
from tinyops.report.bench import shortened
from tinyops.report.memory import Plan, chart

OPERATOR_HEADERS = ("", "operator", "inputs", "output", "options")
PASS_HEADERS = ("pass", "did", "which")
TENSOR_HEADERS = ("tensor", "type", "shape", "bytes", "scale", "zero", "live", "name")


@dataclass(frozen=True)
class Inspection:
    """A file's graph, what the compiler's passes did to it, and the plan of the arena, or why there is none."""

    graph: Graph
    plan: Plan | None
    refusal: str
    passes: tuple[Applied, ...] = ()

    def heading(self) -> str:
        graph = self.graph
        constants = sum(t.bytes for t in graph.tensors if t.data is not None)
        state = f", {self.state_bytes:,} bytes of state" if self.state_bytes else ""
        return (
            f"{graph.name}: {len(graph.operators)} operators, {len(graph.tensors)} tensors, "
            f"{constants:,} bytes of constants{state}\n{graph.digest}"
        )

    @property
    def state_bytes(self) -> int:
        """Of the variables, which keep their values from one inference to the next."""
        return sum(self.graph.tensors[i].bytes for i in state_of(self.graph))

    def operator_rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for operator in self.graph.operators:
            inputs = ", ".join(_brief(self.graph.tensors[i]) for i in operator.inputs if i is not None)
            outputs = ", ".join(_brief(self.graph.tensors[i]) for i in operator.outputs)
            options = ", ".join(f"{name} {_plain(value)}" for name, value in _options(operator).items())
            rows.append((str(operator.index), operator.name, inputs, outputs, options))
        return rows

    def tensor_rows(self) -> list[tuple[str, ...]]:
        ranges = live_ranges(self.graph)
        return [_tensor_row(tensor, ranges.get(tensor.index)) for tensor in self.graph.tensors]

    def pass_rows(self) -> list[tuple[str, ...]]:
        """Every pass in its order; what it did, by the file's numbers of operators."""
        return [(one.name, str(one) or "nothing", one.sentence) for one in self.passes]

    def chart(self) -> str:
        return chart(self.plan) if self.plan else f"no memory plan: {self.refusal}"

    def to_json(self) -> JsonObject:
        ranges = live_ranges(self.graph)
        return {
            "model": self.graph.name,
            "model_digest": self.graph.digest,
            "inputs": list(self.graph.inputs),
            "outputs": list(self.graph.outputs),
            "state_bytes": self.state_bytes,
            "operators": [
                {
                    "name": o.name,
                    "inputs": list(o.inputs),
                    "outputs": list(o.outputs),
                    "options": _json_options(_options(o)),
                }
                for o in self.graph.operators
            ],
            "tensors": [_tensor_json(tensor, ranges.get(tensor.index)) for tensor in self.graph.tensors],
            "passes": [asdict(one) for one in self.passes],
            "memory": asdict(self.plan) if self.plan else None,
            "refused": self.refusal or None,
        }


def _brief(tensor: Tensor) -> str:
    shape = "x".join(map(str, tensor.shape)) or "scalar"
    return f"{tensor.index}:{shape}"


def _plain(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _options(operator: Operator) -> JsonObject:
    """What the file says; None stands for what only passes set."""
    return {name: value for name, value in asdict(operator.options).items() if value is not None}


def _json_options(options: JsonObject) -> JsonObject:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}


def _live(span: tuple[int, int] | None, tensor: Tensor) -> str:
    if span is None:
        return "constant" if tensor.data is not None else "-"
    if tensor.variable:
        return "kept"
    return f"{span[0]} to {span[1]}" if span[0] != span[1] else str(span[0])


def _tensor_row(tensor: Tensor, span: tuple[int, int] | None) -> tuple[str, ...]:
    quantisation = tensor.quantisation
    scale, zero = "-", "-"
    if quantisation is not None:
        scale = f"{min(quantisation.scales):.4g}"
        if quantisation.per_channel:
            scale += f" to {max(quantisation.scales):.4g} ({len(quantisation.scales)})"
        zero = str(quantisation.zero_points[0])
    shape = "x".join(map(str, tensor.shape)) or "scalar"
    name = shortened(tensor.name)
    return (str(tensor.index), tensor.dtype, shape, f"{tensor.bytes:,}", scale, zero, _live(span, tensor), name)


def _tensor_json(tensor: Tensor, span: tuple[int, int] | None) -> JsonObject:
    quantisation = tensor.quantisation
    return {
        "index": tensor.index,
        "name": tensor.name,
        "type": tensor.dtype,
        "shape": list(tensor.shape),
        "bytes": tensor.bytes,
        "constant": tensor.data is not None,
        "variable": tensor.variable,
        "scales": list(quantisation.scales) if quantisation else None,
        "zero_points": list(quantisation.zero_points) if quantisation else None,
        "live": list(span) if span else None,
    }
