"""Reads the options of the operators that the compiler knows into typed objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tinyops.graph.types import (
    AxisOptions,
    BatchMatmulOptions,
    BlockOptions,
    CallOnceOptions,
    ConvOptions,
    ElementwiseOptions,
    FullyConnectedOptions,
    GatherOptions,
    HandleOptions,
    LeakyReluOptions,
    LstmOptions,
    MirrorPadOptions,
    NoOptions,
    Options,
    PackOptions,
    PoolOptions,
    ReduceOptions,
    ResizeOptions,
    SoftmaxOptions,
    StridedSliceOptions,
    SvdfOptions,
    TransposeConvOptions,
)

Fail = Callable[[str], Exception]

MAX_EXTENT = 1 << 16  # of strides, windows and dilations
MAX_RESOURCE_NAME = 1024  # bytes


class _Fields:
    """One options table: bounded integers and enums by name."""

    def __init__(self, schema: Any, table: Any, fail: Fail) -> None:
        self.schema, self.table, self.fail = schema, table, fail

    def enum(self, kind: str, value: int) -> Any:
        for name, number in vars(getattr(self.schema, kind)).items():
            if number == value and not name.startswith("_"):
                return name
        raise self.fail(f"{kind} {value} is unknown")

    def extent(self, method: str) -> int:
        value = int(getattr(self.table, method)())
        if not 1 <= value <= MAX_EXTENT:
            raise self.fail(f"{method} is {value}, it must lie in 1..{MAX_EXTENT}")
        return value

    def pair(self, height: str, width: str) -> tuple[int, int]:
        return self.extent(height), self.extent(width)

    def name(self, method: str) -> str:
        """A name that is compared, and therefore never cut short; empty where there is none."""
        value = getattr(self.table, method)() or b""
        if len(value) > MAX_RESOURCE_NAME:
            raise self.fail(f"{method} has {len(value):,} bytes, at most {MAX_RESOURCE_NAME:,} are supported")
        return bytes(value).decode("utf-8", "backslashreplace")

    @property
    def activation(self) -> Any:
        return self.enum("ActivationFunctionType", self.table.FusedActivationFunction())

    @property
    def padding(self) -> Any:
        return self.enum("Padding", self.table.Padding())


def _conv(f: _Fields) -> Options:
    dilation = f.pair("DilationHFactor", "DilationWFactor")
    return ConvOptions(f.padding, f.pair("StrideH", "StrideW"), dilation, f.activation)


def _depthwise(f: _Fields) -> Options:
    dilation = f.pair("DilationHFactor", "DilationWFactor")
    # The multiplier follows from the shapes; files by some converters leave it 0.
    multiplier = int(f.table.DepthMultiplier())
    return ConvOptions(f.padding, f.pair("StrideH", "StrideW"), dilation, f.activation, multiplier)


def _pool(f: _Fields) -> Options:
    return PoolOptions(f.padding, f.pair("StrideH", "StrideW"), f.pair("FilterHeight", "FilterWidth"), f.activation)


def _fully_connected(f: _Fields) -> Options:
    return FullyConnectedOptions(f.activation, bool(f.table.KeepNumDims()), f.table.WeightsFormat() != 0)


def _elementwise(f: _Fields) -> Options:
    return ElementwiseOptions(f.activation)


def _concatenation(f: _Fields) -> Options:
    return AxisOptions(int(f.table.Axis()), f.activation)


def _reduce(f: _Fields) -> Options:
    return ReduceOptions(bool(f.table.KeepDims()))


def _softmax(f: _Fields) -> Options:
    return SoftmaxOptions(float(f.table.Beta()))


def _svdf(f: _Fields) -> Options:
    return SvdfOptions(f.extent("Rank"), f.activation)


def _lstm(f: _Fields) -> Options:
    return LstmOptions(f.activation, float(f.table.CellClip()), bool(f.table.TimeMajor()))


def _var_handle(f: _Fields) -> Options:
    return HandleOptions(f.name("Container"), f.name("SharedName"))


def _call_once(f: _Fields) -> Options:
    return CallOnceOptions(int(f.table.InitSubgraphIndex()))


def _leaky_relu(f: _Fields) -> Options:
    return LeakyReluOptions(float(f.table.Alpha()))


def _batch_matmul(f: _Fields) -> Options:
    return BatchMatmulOptions(bool(f.table.AdjX()), bool(f.table.AdjY()))


def _pack(f: _Fields) -> Options:
    return PackOptions(int(f.table.Axis()), int(f.table.ValuesCount()))


def _unpack(f: _Fields) -> Options:
    return PackOptions(int(f.table.Axis()), int(f.table.Num()))


def _strided_slice(f: _Fields) -> Options:
    return StridedSliceOptions(
        begin_mask=int(f.table.BeginMask()),
        end_mask=int(f.table.EndMask()),
        ellipsis_mask=int(f.table.EllipsisMask()),
        new_axis_mask=int(f.table.NewAxisMask()),
        shrink_mask=int(f.table.ShrinkAxisMask()),
        offset=bool(f.table.Offset()),
    )


def _resize(f: _Fields) -> Options:
    return ResizeOptions(bool(f.table.AlignCorners()), bool(f.table.HalfPixelCenters()))


def _transpose_conv(f: _Fields) -> Options:
    return TransposeConvOptions(f.padding, f.pair("StrideH", "StrideW"), f.activation)


def _block(f: _Fields) -> Options:
    return BlockOptions(f.extent("BlockSize"))


def _gather(f: _Fields) -> Options:
    return GatherOptions(int(f.table.Axis()), int(f.table.BatchDims()))


def _mirror_pad(f: _Fields) -> Options:
    return MirrorPadOptions(f.enum("MirrorPadMode", f.table.Mode()))


_READERS: Mapping[str, tuple[str, Callable[[_Fields], Options]]] = {
    "CONV_2D": ("Conv2DOptions", _conv),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", _depthwise),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _pool),
    "MAX_POOL_2D": ("Pool2DOptions", _pool),
    "FULLY_CONNECTED": ("FullyConnectedOptions", _fully_connected),
    "ADD": ("AddOptions", _elementwise),
    "SUB": ("SubOptions", _elementwise),
    "MUL": ("MulOptions", _elementwise),
    "DIV": ("DivOptions", _elementwise),
    "L2_NORMALIZATION": ("L2NormOptions", _elementwise),
    "CONCATENATION": ("ConcatenationOptions", _concatenation),
    "MEAN": ("ReducerOptions", _reduce),
    "SOFTMAX": ("SoftmaxOptions", _softmax),
    "SVDF": ("SVDFOptions", _svdf),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": ("UnidirectionalSequenceLSTMOptions", _lstm),
    "VAR_HANDLE": ("VarHandleOptions", _var_handle),
    "CALL_ONCE": ("CallOnceOptions", _call_once),
    "SUM": ("ReducerOptions", _reduce),
    "REDUCE_MAX": ("ReducerOptions", _reduce),
    "REDUCE_MIN": ("ReducerOptions", _reduce),
    "LEAKY_RELU": ("LeakyReluOptions", _leaky_relu),
    "BATCH_MATMUL": ("BatchMatMulOptions", _batch_matmul),
    "PACK": ("PackOptions", _pack),
    "UNPACK": ("UnpackOptions", _unpack),
    "STRIDED_SLICE": ("StridedSliceOptions", _strided_slice),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", _resize),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", _resize),
    "TRANSPOSE_CONV": ("TransposeConvOptions", _transpose_conv),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", _block),
    "SPACE_TO_DEPTH": ("SpaceToDepthOptions", _block),
    "GATHER": ("GatherOptions", _gather),
    "MIRROR_PAD": ("MirrorPadOptions", _mirror_pad),
}


def read_options(schema: Any, name: str, raw: Any, fail: Fail) -> Options:
    """The options of an operator, `NoOptions` for operators whose options are not needed.

    `fail` makes the error to raise from a sentence.
    """
    if name not in _READERS:
        return NoOptions()
    kind, read = _READERS[name]
    found, place = raw.BuiltinOptionsType(), raw.BuiltinOptions()
    if place is None or found != getattr(schema.BuiltinOptions, kind):
        raise fail(f"has no {kind}")
    table = getattr(schema, kind)()
    table.Init(place.Bytes, place.Pos)
    return read(_Fields(schema, table, fail))
