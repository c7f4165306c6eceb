"""Lowered operators -> C text, through the templates beside this file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from tinyops import __version__
from tinyops.compiler.arena import Arena
from tinyops.compiler.feature_code import feature_files, feature_headers, feature_values, generated_files
from tinyops.compiler.header import SYMBOLS, ModelHeader
from tinyops.compiler.lowered import (
    CTYPES,
    Argument,
    Call,
    Constant,
    Expression,
    Field,
    Lowered,
    Place,
    Read,
    Scratch,
    Update,
    Write,
)
from tinyops.compiler.options import RUNTIME
from tinyops.compiler.rows.emit import step_fields, stretch_values, strip_call
from tinyops.compiler.rows.stretch import Stretch
from tinyops.compiler.state import fills, uniform
from tinyops.features import Features
from tinyops.files import digest_json
from tinyops.graph import Graph, Operator, Tensor, state_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINE_CHARACTERS = 96
COMMON_HEADERS = ("tinyops/model.h", "tinyops/internal.h", "tinyops/fixed_point.h")


@dataclass(frozen=True)
class Array:
    """A constant array of weights.c."""

    name: str
    ctype: str
    values: NDArray[Any]
    note: str
    in_flash: bool = False  # of AVR, see TINYOPS_FLASH

    @property
    def bytes(self) -> int:
        return int(self.values.nbytes)

    @property
    def count(self) -> int:
        return int(self.values.size)

    @property
    def lines(self) -> Iterator[str]:
        """The values, as many to a line as fit. A line at a time: text of megabytes of weights is many times theirs."""
        flat = self.values.reshape(-1)
        ends = (flat.min(), flat.max()) if flat.dtype.kind in "iu" else flat
        width = max(len(_number(v.item())) for v in ends) + 2
        per_line = max(LINE_CHARACTERS // width, 1)
        for i in range(0, flat.size, per_line):
            yield ", ".join(map(_number, flat[i : i + per_line].tolist())) + ","


def emit(
    graph: Graph,
    features: Features,
    lowered: Sequence[Lowered],
    arena: Arena,
    header: ModelHeader,
    stretch: Stretch | None = None,
) -> dict[str, str]:
    """File name -> text of everything that the compiled model consists of."""
    arrays = list(arrays_of(graph, lowered))
    values = {
        "provenance": _provenance(graph, features, header),
        "arena_bytes": arena.bytes,
        "input_rows": header.input_rows,
        "tensors": [*_edges(graph, arena, graph.inputs, "INPUT"), *_edges(graph, arena, graph.outputs, "OUTPUT")],
        "arrays": arrays,
        "has_weights": bool(arrays),
        "headers": _headers(features, lowered),
        "header": [(f.name, f"0x{v:08x}u" if f.name == "magic" else f"{v}u") for f, v in _header_values(header)],
        "contract": ", ".join(f"0x{b:02x}" for b in header.contract),
        "operators": [
            _operator(graph, arena, op, low, stretch)
            for op, low in zip(graph.operators, lowered, strict=True)
            if low.calls
        ],
        "rows": stretch_values(stretch, graph, arena.rows) if stretch and arena.rows else None,
        "features": feature_values(
            features, graph.tensors[graph.inputs[0]], arena.state.offset, arena.ring.offset, arena.push_scratch.offset
        ),
        "fills": fills(graph, [(i, arena.tensors[i].offset, arena.tensors[i].bytes) for i in state_of(graph)]),
    }
    names = ["model.h", "model.c", *(["weights.h", "weights.c"] if arrays else [])]
    generated = {name: _template(name).render(values) for name in names} | generated_files(features)
    return {**generated, **{name: (RUNTIME / name).read_text() for name in runtime_files(features, lowered)}}


def runtime_files(features: Features, lowered: Sequence[Lowered]) -> list[str]:
    """The hand-written sources and headers that a model uses, below runtime/."""
    kernels = [kernel for low in lowered for kernel in low.kernels]
    headers = {f"include/{h}" for h in COMMON_HEADERS} | {f"include/{h}" for k in kernels for h in k.headers}
    return sorted({*headers, *(k.source for k in kernels), *feature_files(features)})


def arrays_of(graph: Graph, lowered: Sequence[Lowered]) -> Iterator[Array]:
    """Constants of operators, constant tensors that kernels read as operands, and what variables hold at first."""
    operands: dict[int, Array] = {}
    for operator, low in zip(graph.operators, lowered, strict=True):
        for constant in low.constants:
            note = f"{operator}: {constant.note}"
            flash = low.kernel is not None and low.kernel.reads_flash
            yield Array(_constant_name(operator, constant), constant.ctype, constant.values, note, flash)
        for call in low.calls:
            for argument in call.arguments:
                if isinstance(argument, Read) and graph.tensors[argument.tensor].data is not None:
                    operands.setdefault(argument.tensor, _operand(graph.tensors[argument.tensor]))
    yield from operands.values()
    yield from _initials(graph)


def _initials(graph: Graph) -> Iterator[Array]:
    """Of variables that one value does not fill."""
    import numpy as np

    for tensor in (graph.tensors[i] for i in state_of(graph)):
        assert tensor.initial is not None
        if not uniform(tensor.initial):
            note = f"{_safe(tensor.name)} {tensor.shape}, before the first inference"
            yield Array(f"tinyops_tensor_{tensor.index}", "uint8_t", np.frombuffer(tensor.initial, np.uint8), note)


def external_names(graph: Graph, lowered: Sequence[Lowered]) -> list[str]:
    """Every symbol that model.c and weights.c define for other files."""
    return [*SYMBOLS, *(array.name for array in arrays_of(graph, lowered))]


def _operand(tensor: Tensor) -> Array:
    from tinyops.compiler.view import constant_values

    values = constant_values(tensor).reshape(-1)
    return Array(f"tinyops_tensor_{tensor.index}", CTYPES[tensor.dtype], values, f"{_safe(tensor.name)} {tensor.shape}")


def _constant_name(operator: Operator, constant: Constant) -> str:
    return f"tinyops_op{operator.number}_{constant.name}"


# -- text ----------------------------------------------------------------------------------------


@cache
def _environment() -> jinja2.Environment:
    folder = Path(__file__).resolve().parent / "templates"
    return jinja2.Environment(  # noqa: S701 - C, not HTML; every name from a file goes through _safe
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _template(name: str) -> jinja2.Template:
    return _environment().get_template(f"{name}.j2")


def _safe(text: str) -> str:
    """A name from a file, as it may stand in a C comment: nothing that ends one, continues a line or is not ASCII."""
    cleaned = re.sub(r"[^A-Za-z0-9_./:;,()\[\] -]", "_", text)[:120]
    return re.sub(r"/(?=[*/])|\*(?=/)", "_", cleaned.replace("//", "__")) or "unnamed"


def _number(value: float) -> str:
    """A C literal. INT32_MIN has none of its own."""
    if isinstance(value, float):
        return float.hex(value) + "f"
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)


def _provenance(graph: Graph, features: Features, header: ModelHeader) -> str:
    return (
        f"/* Generated by tinyops {__version__}: edits are lost.\n"
        f" * model    {_safe(graph.name)} {graph.digest}\n"
        f" * features {digest_json(features.to_json())}\n"
        f" * contract sha256:{header.contract.hex()} */"
    )


def _header_values(header: ModelHeader) -> list[tuple[Any, Any]]:
    return [(f, getattr(header, f.name)) for f in fields(header) if f.name != "contract"]


def _headers(features: Features, lowered: Sequence[Lowered]) -> list[str]:
    kernels = (k.headers[0] for low in lowered for k in low.kernels)
    return sorted({"tinyops/internal.h", *feature_headers(features), *kernels})


def _edges(graph: Graph, arena: Arena, tensors: Sequence[int], macro: str) -> Iterator[dict[str, Any]]:
    for i, index in enumerate(tensors):
        tensor, span = graph.tensors[index], arena.tensors[index]
        several = f"_{i}" if len(tensors) > 1 else ""
        quantisation = tensor.quantisation
        yield {
            "what": f"{macro.capitalize()}{several.replace('_', ' ')}",
            "name": _safe(tensor.name),
            "dtype": tensor.dtype,
            "shape": tensor.shape,
            "macro": macro + several,
            "offset": span.offset,
            "bytes": span.bytes,
            "scale": _number(quantisation.scales[0]) if quantisation else "",
            "zero_point": quantisation.zero_points[0] if quantisation else 0,
        }


def _operator(
    graph: Graph, arena: Arena, operator: Operator, lowered: Lowered, stretch: Stretch | None
) -> dict[str, Any]:
    inputs = [graph.tensors[i] for i in operator.inputs if i is not None]
    computed = " and ".join(f"{t.shape}" for t in inputs if t.data is None)
    constants = " with " + ", ".join(f"{t.shape}" for t in inputs if t.data is not None)
    outputs = [graph.tensors[i] for i in operator.outputs]
    made = " and ".join(f"{t.shape}" for t in outputs)
    arrow = f"{computed or 'constants'}{constants if constants != ' with ' else ''} -> {made}"
    names = " and ".join(_safe(t.name) for t in outputs)
    step = stretch.step(operator.index) if stretch else None
    calls = tuple(strip_call(stretch, step, c, graph) if stretch and step else c for c in lowered.calls)
    variables = ["p"] if len(calls) == 1 else [f"p{i}" for i in range(len(calls))]
    return {
        "comment": f"Operator {operator.number}, {operator.name}: {arrow}, {names}",
        "function": f"op{operator.number}_{operator.name.lower()}",
        "index": operator.index,
        "step": list(_fields(step_fields(stretch, step))) if stretch and step else None,
        "calls": [_call(graph, arena, operator, c, v) for c, v in zip(calls, variables, strict=True)],
    }


def _call(graph: Graph, arena: Arena, operator: Operator, call: Call, variable: str) -> dict[str, Any]:
    arguments = [f"&{variable}", *(_argument(graph, arena, operator, a) for a in call.arguments)]
    return {
        "type": call.params_type,
        "variable": variable,
        "fields": list(_fields(declared_order(call))),
        "text": f"{call.function}({', '.join(arguments)});",
    }


def declared_order(call: Call) -> Mapping[str, Field]:
    """A call's parameters in the order of their struct, which C++ insists on."""
    order = _declared().get(call.params_type, ())
    return dict(sorted(call.params.items(), key=lambda item: order.index(item[0]) if item[0] in order else -1))


@cache
def _declared() -> Mapping[str, Sequence[str]]:
    """Struct -> its members, as the kernels' headers declare them."""
    found = {}
    for path in sorted((RUNTIME / "include" / "tinyops" / "kernels").glob("*.h")):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        for body, name in re.findall(r"typedef struct \{([^{}]*)\} (\w+);", text):
            found[name] = re.findall(r"(\w+)(?:\[\w+\])*\s*[,;]", body)
    return found


def _argument(graph: Graph, arena: Arena, operator: Operator, argument: Argument) -> str:
    if isinstance(argument, Constant):
        return _constant_name(operator, argument)
    if isinstance(argument, Scratch):
        return f"({argument.ctype} *)(void *)(arena + {arena.scratch[operator.index]})"
    if isinstance(argument, Expression):
        return argument.text
    if isinstance(argument, Place):
        return f"{'(void *)' if argument.written else '(const void *)'}(arena + {argument.offset})"
    tensor = graph.tensors[argument.tensor]
    if tensor.data is not None:
        return f"tinyops_tensor_{tensor.index}"
    place = f"(arena + {arena.place(tensor.index, operator.index).offset})"
    const = "" if isinstance(argument, (Write, Update)) else "const "
    wide = "(void *)" if const == "" else "(const void *)"
    return f"({const}{CTYPES[tensor.dtype]} *){wide}{place}"


def _fields(params: Mapping[str, Field]) -> Iterator[str]:
    for name, value in params.items():
        yield f".{name} = {_value(value)},"


def _value(value: Field) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "{" + ", ".join(f".{n} = {_value(v)}" for n, v in value.items()) + "}"
    if isinstance(value, tuple):
        return "{" + ", ".join(map(_value, value)) + "}"
    return _number(value)
