"""The tensor graph read from a .tflite: tensors, operators, quantisation, variables, live ranges, order.

`read_graph` is the only door: whatever it returns is bounded and consistent, so that later code can
index tensors and buffers without checks of its own.
"""

from tinyops.graph.live import live_ranges
from tinyops.graph.order import changes, depends, state_of, touched
from tinyops.graph.reader import parse_graph, read_graph
from tinyops.graph.types import (
    DTYPES,
    Activation,
    AxisOptions,
    BatchMatmulOptions,
    ConvOptions,
    ElementwiseOptions,
    FullyConnectedOptions,
    Graph,
    LeakyReluOptions,
    LstmOptions,
    NoOptions,
    Operator,
    Options,
    Pads,
    PoolOptions,
    Quantisation,
    ReduceOptions,
    SoftmaxOptions,
    StridedSliceOptions,
    SvdfOptions,
    Tensor,
)

__all__ = [
    "DTYPES",
    "Activation",
    "AxisOptions",
    "BatchMatmulOptions",
    "ConvOptions",
    "ElementwiseOptions",
    "FullyConnectedOptions",
    "Graph",
    "LeakyReluOptions",
    "LstmOptions",
    "NoOptions",
    "Operator",
    "Options",
    "Pads",
    "PoolOptions",
    "Quantisation",
    "ReduceOptions",
    "SoftmaxOptions",
    "StridedSliceOptions",
    "SvdfOptions",
    "Tensor",
    "changes",
    "depends",
    "live_ranges",
    "parse_graph",
    "read_graph",
    "state_of",
    "touched",
]
