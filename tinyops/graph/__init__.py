"""The tensor graph read from a .tflite: tensors, operators, quantisation, live ranges.

`read_graph` is the only door: whatever it returns is bounded and consistent, so that later code can
index tensors and buffers without checks of its own.
"""

from tinyops.graph.live import live_ranges
from tinyops.graph.reader import parse_graph, read_graph
from tinyops.graph.types import (
    DTYPES,
    AxisOptions,
    BlockOptions,
    ConvOptions,
    ElementwiseOptions,
    FullyConnectedOptions,
    GatherOptions,
    Graph,
    MirrorPadOptions,
    NoOptions,
    Operator,
    Options,
    PackOptions,
    PoolOptions,
    Quantisation,
    ReduceOptions,
    ResizeOptions,
    SoftmaxOptions,
    StridedSliceOptions,
    Tensor,
    TransposeConvOptions,
)

__all__ = [
    "DTYPES",
    "AxisOptions",
    "BlockOptions",
    "ConvOptions",
    "ElementwiseOptions",
    "FullyConnectedOptions",
    "GatherOptions",
    "Graph",
    "MirrorPadOptions",
    "NoOptions",
    "Operator",
    "Options",
    "PackOptions",
    "PoolOptions",
    "Quantisation",
    "ReduceOptions",
    "ResizeOptions",
    "SoftmaxOptions",
    "StridedSliceOptions",
    "Tensor",
    "TransposeConvOptions",
    "live_ranges",
    "parse_graph",
    "read_graph",
]
