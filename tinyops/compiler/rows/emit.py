"""A stretch as values for the template of model.c."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tinyops.compiler.lowered import CTYPES, Argument, Call, Expression, Field, Kernel, Read, Tensors, Write
from tinyops.compiler.rows.kernels import Strip, params_of
from tinyops.compiler.rows.memory import RowPlaces
from tinyops.compiler.rows.schedule import RowStep
from tinyops.compiler.rows.stretch import Stretch
from tinyops.graph import Graph, Tensor

KERNEL = Kernel("kernels/rows.c", ("tinyops/kernels/rows.h",))
NONE = -1  # no line
STRIP = Strip("strip.in_h", "strip.out_h", "strip.pad_top")


def stretch_values(stretch: Stretch, graph: Graph, places: RowPlaces) -> dict[str, Any]:
    """What model.c says of a stretch as a whole."""
    outputs = len(stretch.outputs)
    return {
        "first": stretch.first,
        "last": stretch.last,
        "operators": range(stretch.first, stretch.last + 1),
        "function": f"op{graph.operators[stretch.last].number}_by_rows",
        "first_number": graph.operators[stretch.first].number,
        "last_number": graph.operators[stretch.last].number,
        "states": places.states,
        "lines": [_line(stretch, places, graph.tensors[line.tensor]) for line in stretch.lines],
        "sources": 0 if stretch.streamed else len(stretch.sources),
        "first_output": len(stretch.lines) - outputs,
        "last_output": len(stretch.lines) - 1,
        "streamed": stretch.streamed,
        "height": stretch.lines[0].height,
        "row_bytes": stretch.lines[0].row_bytes,
    }


def _line(stretch: Stretch, places: RowPlaces, tensor: Tensor) -> dict[str, Any]:
    line, (rows, kept) = stretch.line(tensor.index), places.lines[tensor.index]
    fields = {"rows": rows, "kept": kept, "row_bytes": line.row_bytes, "height": line.height, "room": line.room}
    return {"tensor": tensor, "fields": fields}


def step_fields(stretch: Stretch, step: RowStep) -> dict[str, Field]:
    """Fields of tinyops_rows_step."""
    lines = [stretch.number(tensor) for tensor in step.inputs]

    def bits(tensors: frozenset[int]) -> int:
        return sum(1 << i for i, tensor in enumerate(step.inputs) if tensor in tensors)

    return {
        "inputs": (*lines, *(NONE,) * (2 - len(lines))),
        "output": stretch.number(step.output),
        "opens": bits(step.opens),
        "closes": bits(step.closes),
        "reach": step.geometry.reach,
        "stride": step.geometry.stride,
        "pad_top": step.geometry.pad,
        "most": step.most,
    }


def strip_call(stretch: Stretch, step: RowStep, call: Call, graph: Graph) -> Call:
    """An operator's call for one strip, in terms of the C variable `strip`. One that touches no tensor stays."""
    if not any(isinstance(argument, Tensors) for argument in call.arguments):
        return call

    def place(argument: Argument) -> Argument:
        if isinstance(argument, Read):
            number, ctype = step.inputs.index(argument.tensor), CTYPES[graph.tensors[argument.tensor].dtype]
            return Expression(f"(const {ctype} *)(const void *)strip.input[{number}]")
        if isinstance(argument, Write):
            return Expression(f"({CTYPES[graph.tensors[argument.tensor].dtype]} *)(void *)strip.output")
        return argument

    row_values = stretch.line(step.output).row_values
    arguments = tuple(map(place, call.arguments))
    return replace(call, params=params_of(call, STRIP, row_values), arguments=arguments)
