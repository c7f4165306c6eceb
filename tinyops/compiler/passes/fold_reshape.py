"""Chains of operators that move no bytes, and those that change nothing at all."""

from __future__ import annotations

from dataclasses import replace

from tinyops.compiler.passes.kind import Pass
from tinyops.compiler.passes.rewrite import Rewrite, Uses, bypass, integers, sound, sweep
from tinyops.graph import Graph, NoOptions, Operator

VIEWS = ("RESHAPE", "EXPAND_DIMS", "SQUEEZE")


def run(graph: Graph) -> Graph:
    return sweep(sweep(graph, _still), _shorter)


def _still(uses: Uses, operator: Operator) -> Rewrite | None:
    """A TRANSPOSE that only moves dimensions of 1 is a RESHAPE."""
    source, order = uses.tensor(operator, 0), integers(uses.tensor(operator, 1))
    if operator.name != "TRANSPOSE" or source is None or order is None or len(operator.outputs) != 1:
        return None
    if sorted(order) != list(range(len(source.shape))):
        return None
    output, moved = uses.graph.tensors[operator.outputs[0]], [i for i in order if source.shape[i] > 1]
    if moved != sorted(moved) or output.shape != tuple(source.shape[i] for i in order):
        return None
    view = replace(operator, name="RESHAPE", inputs=operator.inputs[:1], options=NoOptions())
    return Rewrite(change={operator.index: view}) if sound(uses.graph, view) else None


def _shorter(uses: Uses, operator: Operator) -> Rewrite | None:
    if operator.name not in VIEWS or not sound(uses.graph, operator):
        return None
    source = uses.tensor(operator, 0)
    assert source is not None
    output = uses.graph.tensors[operator.outputs[0]]
    if source.shape == output.shape and source.quantisation == output.quantisation and source.data is None:
        return bypass(uses, operator, source.index)
    before = uses.made_by(source, *VIEWS)
    if before is None or not uses.only_for(source.index, operator) or not sound(uses.graph, before):
        return None
    view = replace(operator, name="RESHAPE", inputs=before.inputs[:1], options=NoOptions())
    return Rewrite(frozenset({before.index}), {operator.index: view}) if sound(uses.graph, view) else None


PASS = Pass(
    "fold_reshape",
    "chains of RESHAPE, EXPAND_DIMS and SQUEEZE become one, those that change nothing none; "
    "a TRANSPOSE of dimensions of 1 is a RESHAPE",
    run,
)
