"""QUANTIZE and DEQUANTIZE that undo each other, or do nothing: compared for all 256 bytes, never by their scales."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tinyops.compiler.passes.bytewise import byte_table, float_table
from tinyops.compiler.passes.kind import Pass
from tinyops.compiler.passes.rewrite import Rewrite, Uses, bypass, sound, sweep
from tinyops.compiler.view import OperatorView
from tinyops.graph import Graph, Operator

if TYPE_CHECKING:
    from numpy.typing import NDArray


def run(graph: Graph) -> Graph:
    return sweep(graph, _folded)


def _folded(uses: Uses, operator: Operator) -> Rewrite | None:
    if operator.name != "QUANTIZE" or not sound(uses.graph, operator):
        return None
    return _nothing(uses, operator) or _in_one(uses, operator)


def _nothing(uses: Uses, operator: Operator) -> Rewrite | None:
    """To the same type, scale and zero point."""
    import numpy as np

    source, output = uses.tensor(operator, 0), uses.graph.tensors[operator.outputs[0]]
    assert source is not None
    if source.data is not None or (source.dtype, source.quantisation) != (output.dtype, output.quantisation):
        return None
    table = byte_table(OperatorView(uses.graph, operator))
    return bypass(uses, operator, source.index) if table is not None and (table == np.arange(256)).all() else None


def _in_one(uses: Uses, operator: Operator) -> Rewrite | None:
    """Behind a QUANTIZE or a DEQUANTIZE that only it reads: one QUANTIZE, where that gives the same for every byte."""
    source = uses.tensor(operator, 0)
    before = uses.made_by(source, "QUANTIZE", "DEQUANTIZE")
    if before is None or source is None or not sound(uses.graph, before) or not uses.only_for(source.index, operator):
        return None
    direct = replace(operator, inputs=before.inputs)
    if not sound(uses.graph, direct):
        return None
    one, two = byte_table(OperatorView(uses.graph, direct)), _composed(uses.graph, before, operator)
    if one is None or two is None or not (one == two).all():
        return None
    return Rewrite(frozenset({before.index}), {operator.index: direct})


def _composed(graph: Graph, first: Operator, second: Operator) -> NDArray[Any] | None:
    """(256) uint8: both after each other, by the first one's input byte."""
    import numpy as np

    output = graph.tensors[second.outputs[0]]
    if first.name == "QUANTIZE":
        tables = [byte_table(OperatorView(graph, operator)) for operator in (first, second)]
        return None if tables[0] is None or tables[1] is None else tables[1][tables[0]]
    values = float_table(OperatorView(graph, first))
    if values is None or output.dtype != "int8":
        return None
    from tinyops.compiler.ops.quantize import quantised

    found = quantised(values, output.scale, output.zero_point).clip(-128, 127)
    return np.asarray(found.astype(np.int8).view(np.uint8))


PASS = Pass(
    "fold_quantize",
    "QUANTIZE that changes nothing is left out; QUANTIZE or DEQUANTIZE before QUANTIZE become one, where all 256 bytes "
    "come out the same",
    run,
)
