"""What a model's weights are like as bytes: how many are zero, and how far they could be packed. Pure."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tinyops.errors import ToolError
from tinyops.files import JsonObject
from tinyops.graph import Graph
from tinyops.specs.squeeze import WeightsKind
from tinyops.squeeze.naming import layer_name

FEWEST = 64  # weights of a layer: of fewer, none are made few
MOST_VALUES = {"int4": 15, "table": 16}


def weight_facts(graph: Graph) -> JsonObject:
    """Of the int8 kernels: their number, the zeros, and `entropy_bytes`, below which no code of single weights gets.

    On a device every weight has its byte, a zero as well; the entropy is about sending and storing them.
    """
    constants = [t.data for t in graph.tensors if t.data is not None and t.dtype == "int8" and len(t.shape) > 1]
    kernels = [np.frombuffer(data, np.int8) for data in constants]
    return {
        "number": sum(kernel.size for kernel in kernels),
        "zeros": int(sum((kernel == 0).sum() for kernel in kernels)),
        "entropy_bytes": math.ceil(sum(_entropy_bits(kernel) for kernel in kernels) / 8),
    }


def check_values(graph: Graph, kind: WeightsKind) -> None:
    """That layers have as few different weights as they were trained with.

    Raises ToolError naming the first that has more: the converter or the quantiser has moved them.
    """
    for operator in graph.operators if kind in MOST_VALUES else ():
        if operator.name not in ("CONV_2D", "FULLY_CONNECTED") or operator.inputs[1] is None:
            continue
        kernel = graph.tensors[operator.inputs[1]]
        found = len(np.unique(np.frombuffer(kernel.data or b"", np.int8)))
        if kernel.elements >= FEWEST and found > MOST_VALUES[kind]:
            raise ToolError(
                f"{graph.name}: weights of layer {layer_name(kernel.name)} have {found} different values in int8; "
                f"{kind} has {MOST_VALUES[kind]} at the most",
                hint=f"leave weights: {kind} out of squeeze.variants for this model, and report it",
            )


def _entropy_bits(values: NDArray[np.int8]) -> float:
    counts = np.unique(values, return_counts=True)[1]
    return float(round((counts * np.log2(values.size / counts)).sum(), 6))
