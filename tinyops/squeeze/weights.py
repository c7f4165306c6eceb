"""What a model's weights are like as bytes: how many are zero, and how far they could be packed. Pure."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tinyops.files import JsonObject
from tinyops.graph import Graph


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


def _entropy_bits(values: NDArray[np.int8]) -> float:
    counts = np.unique(values, return_counts=True)[1]
    return float(round((counts * np.log2(values.size / counts)).sum(), 6))
