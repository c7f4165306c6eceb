"""The tensor graph read from a .tflite: tensors, operators, quantisation, live ranges.

`read_graph` is the only door: whatever it returns is bounded and consistent, so that later code can
index tensors and buffers without checks of its own.
"""

from tinyops.graph.live import live_ranges
from tinyops.graph.reader import parse_graph, read_graph
from tinyops.graph.types import (
    DTYPES,
    AxisOptions,
    BatchMatmulOptions,
    ConvOptions,
    ElementwiseOptions,
    FullyConnectedOptions,
    Graph,
    LeakyReluOptions,
    NoOptions,
    Operator,
    Options,
    PoolOptions,
    Quantisation,
    ReduceOptions,
    SoftmaxOptions,
    Tensor,
)

__all__ = [
    "DTYPES",
    "AxisOptions",
    "BatchMatmulOptions",
    "ConvOptions",
    "ElementwiseOptions",
    "FullyConnectedOptions",
    "Graph",
    "LeakyReluOptions",
    "NoOptions",
    "Operator",
    "Options",
    "PoolOptions",
    "Quantisation",
    "ReduceOptions",
    "SoftmaxOptions",
    "Tensor",
    "live_ranges",
    "parse_graph",
    "read_graph",
]
