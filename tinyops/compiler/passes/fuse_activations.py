"""Activations that stand alone: a limit of the operator before them."""

from __future__ import annotations

from dataclasses import replace

from tinyops.compiler.passes.kind import Pass
from tinyops.compiler.passes.rewrite import Rewrite, Uses, sweep
from tinyops.graph import (
    Activation,
    ConvOptions,
    ElementwiseOptions,
    FullyConnectedOptions,
    Graph,
    Operator,
    PoolOptions,
)

ACTIVATIONS: dict[str, Activation] = {"RELU": "RELU", "RELU6": "RELU6", "RELU_N1_TO_1": "RELU_N1_TO_1"}
# Operators whose kernels limit their output. CONCATENATION has an activation, too, which its kernel does not know.
LIMITING = (
    *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"),
    *("ADD", "SUB", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D"),
)
WITH_ACTIVATION = (ConvOptions, PoolOptions, FullyConnectedOptions, ElementwiseOptions)


def run(graph: Graph) -> Graph:
    return sweep(graph, _fused)


def _fused(uses: Uses, operator: Operator) -> Rewrite | None:
    """With one scale and zero point before and behind, an activation is two limits on int8 and nothing else."""
    wanted, source = ACTIVATIONS.get(operator.name), uses.tensor(operator, 0)
    maker = uses.made_by(source, *LIMITING)
    if wanted is None or source is None or maker is None or len(operator.outputs) != 1:
        return None
    output, options = uses.graph.tensors[operator.outputs[0]], maker.options
    alike = (source.dtype, source.quantisation, source.shape) == (output.dtype, output.quantisation, output.shape)
    if not alike or source.dtype != "int8" or source.quantisation is None or source.quantisation.per_channel:
        return None
    if not isinstance(options, WITH_ACTIVATION) or options.activation not in ("NONE", wanted):
        return None
    if not uses.only_for(source.index, operator):
        return None
    limited = replace(maker, outputs=operator.outputs, options=replace(options, activation=wanted))
    return Rewrite(frozenset({operator.index}), {maker.index: limited})


PASS = Pass(
    "fuse_activations",
    "RELU, RELU6 and RELU_N1_TO_1 become a limit of the operator before them, where scale and zero point stay",
    run,
)
