"""Tensors, operators and graphs as frozen objects. Shapes are (N, H, W, C) as in TensorFlow Lite."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

# Bytes of one element.
DTYPES = MappingProxyType(
    {
        "bool": 1,
        "int8": 1,
        "uint8": 1,
        "int16": 2,
        "uint16": 2,
        "float16": 2,
        "int32": 4,
        "uint32": 4,
        "float32": 4,
        "int64": 8,
        "uint64": 8,
        "float64": 8,
        "resource": 4,  # the handle of a resource variable
    }
)

Activation: TypeAlias = Literal["NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"]
Padding: TypeAlias = Literal["SAME", "VALID"]


@dataclass(frozen=True)
class Quantisation:
    """real = scale x (q - zero_point). One scale for the tensor, or one per index of dimension `axis`."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        return len(self.scales) > 1


@dataclass(frozen=True)
class Tensor:
    """One tensor. `data` holds a constant's bytes, little-endian; None for what is computed.

    A `variable` outlives inferences; `initial` is what it holds before the first one, None for other tensors.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    quantisation: Quantisation | None = None
    data: bytes | None = field(default=None, repr=False)
    variable: bool = False
    initial: bytes | None = field(default=None, repr=False)

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * DTYPES[self.dtype]

    @property
    def scale(self) -> float:
        """The scale of a tensor quantised as a whole (a float32 value)."""
        assert self.quantisation is not None
        return self.quantisation.scales[0]

    @property
    def zero_point(self) -> int:
        assert self.quantisation is not None
        return self.quantisation.zero_points[0]

    def __str__(self) -> str:
        return f"tensor {self.index} {self.name!r}"


@dataclass(frozen=True)
class NoOptions:
    """An operator without options, or one whose options nothing here needs."""


# (before, after) along height, and along width.
Pads: TypeAlias = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class ConvOptions:
    """CONV_2D and DEPTHWISE_CONV_2D; pairs are (height, width). `pads`, where passes put them, replace `padding`."""

    padding: Padding
    stride: tuple[int, int]
    dilation: tuple[int, int]
    activation: Activation
    depth_multiplier: int = 1
    pads: Pads | None = None


@dataclass(frozen=True)
class PoolOptions:
    """AVERAGE_POOL_2D and MAX_POOL_2D; pairs are (height, width). `pads` as of ConvOptions."""

    padding: Padding
    stride: tuple[int, int]
    window: tuple[int, int]
    activation: Activation
    pads: Pads | None = None


@dataclass(frozen=True)
class FullyConnectedOptions:
    activation: Activation
    keep_num_dims: bool
    shuffled_weights: bool


@dataclass(frozen=True)
class ElementwiseOptions:
    """ADD, SUB, MUL, DIV, L2_NORMALIZATION."""

    activation: Activation


@dataclass(frozen=True)
class AxisOptions:
    """CONCATENATION, PACK."""

    axis: int
    activation: Activation


@dataclass(frozen=True)
class ReduceOptions:
    """MEAN, SUM, REDUCE_MAX, REDUCE_MIN."""

    keep_dims: bool


@dataclass(frozen=True)
class SoftmaxOptions:
    beta: float


@dataclass(frozen=True)
class PackOptions:
    """PACK, UNPACK: `count` tensors of one rank less, side by side along `axis` of the other."""

    axis: int
    count: int


@dataclass(frozen=True)
class StridedSliceOptions:
    """STRIDED_SLICE: bit i of a mask is about entry i of begin, end and strides."""

    begin_mask: int
    end_mask: int
    ellipsis_mask: int
    new_axis_mask: int
    shrink_mask: int
    offset: bool


@dataclass(frozen=True)
class ResizeOptions:
    """RESIZE_NEAREST_NEIGHBOR, RESIZE_BILINEAR."""

    align_corners: bool
    half_pixel_centers: bool


@dataclass(frozen=True)
class TransposeConvOptions:
    padding: Padding
    stride: tuple[int, int]
    activation: Activation


@dataclass(frozen=True)
class SvdfOptions:
    rank: int
    activation: Activation


@dataclass(frozen=True)
class LstmOptions:
    """UNIDIRECTIONAL_SEQUENCE_LSTM. A cell clip of 0 is none."""

    activation: Activation
    cell_clip: float
    time_major: bool


@dataclass(frozen=True)
class HandleOptions:
    """VAR_HANDLE: which resource it stands for."""

    container: str
    shared_name: str


@dataclass(frozen=True)
class CallOnceOptions:
    """CALL_ONCE: the subgraph that runs in the first inference only."""

    subgraph: int


@dataclass(frozen=True)
class LeakyReluOptions:
    alpha: float


@dataclass(frozen=True)
class BatchMatmulOptions:
    """Whether the last two dimensions of the first or the second operand are swapped."""

    swap_a: bool
    swap_b: bool


@dataclass(frozen=True)
class BlockOptions:
    """DEPTH_TO_SPACE, SPACE_TO_DEPTH."""

    block: int


@dataclass(frozen=True)
class GatherOptions:
    axis: int
    batch_dims: int


@dataclass(frozen=True)
class MirrorPadOptions:
    """`mode`: SYMMETRIC repeats the edge, REFLECT does not."""

    mode: Literal["REFLECT", "SYMMETRIC"]


Options: TypeAlias = (
    NoOptions
    | ConvOptions
    | PoolOptions
    | FullyConnectedOptions
    | ElementwiseOptions
    | AxisOptions
    | ReduceOptions
    | SoftmaxOptions
    | SvdfOptions
    | LstmOptions
    | HandleOptions
    | CallOnceOptions
    | LeakyReluOptions
    | BatchMatmulOptions
    | PackOptions
    | StridedSliceOptions
    | ResizeOptions
    | TransposeConvOptions
    | BlockOptions
    | GatherOptions
    | MirrorPadOptions
)


@dataclass(frozen=True)
class Operator:
    """One operator: `name` as in TensorFlow Lite's schema, inputs and outputs as tensor indices.

    An optional input that is absent is None. `index` is its place in `Graph.operators`; `origin` is the file's number
    for it where passes have renumbered the operators.
    """

    index: int
    name: str
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    options: Options = NoOptions()
    origin: int | None = None

    @property
    def number(self) -> int:
        """What the file calls it, for people and for names in C."""
        return self.index if self.origin is None else self.origin

    def __str__(self) -> str:
        return f"operator {self.number} {self.name}"


@dataclass(frozen=True)
class Graph:
    """A model. Operators are in an order in which they can run.

    Resources are variables like any other: READ_VARIABLE reads one, ASSIGN_VARIABLE has one as its output, and
    VAR_HANDLE and CALL_ONCE, which leave nothing to do when the model runs, are not among the operators (see
    resources.py). `name` is the file's name, `digest` the file's digest.
    """

    name: str
    digest: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
