"""hypothesis strategies for models of one operator: shapes, strides, paddings, zero points, extremes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from fakes.tflite import ACTIVATIONS, PADDING, Tflite

scales = st.floats(2.0**-9, 1.0, width=32)
zero_points = st.one_of(st.sampled_from([-128, 0, 127]), st.integers(-128, 127))
activations = st.sampled_from(["NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
seeds = st.integers(0, 2**32 - 1)


def _weights(rng: np.random.Generator, shape: tuple[int, ...], extreme: bool, largest: np.ndarray) -> np.ndarray:
    """Up to `largest` (shape, or broadcast to it) in magnitude."""
    drawn = rng.choice([-127, 127], shape) if extreme else rng.integers(-127, 127, shape, endpoint=True)
    return np.trunc(drawn * largest / 127).astype(np.int64)


def _out_extent(extent: int, taps: int, stride: int, dilation: int, padding: str) -> int:
    if padding == "SAME":
        return -(-extent // stride)
    return (extent - (taps - 1) * dilation - 1) // stride + 1


class _Weighted:
    """What the convolutions and the dense layer share: random weights, bias and matching scales."""

    def __init__(self, draw: Any, channels: int, products: int, few: bool = False) -> None:
        """`few`: weights of at most sixteen different values, some of them as int4 in the file."""
        self.rng = np.random.default_rng(draw(seeds))
        self.input_scale, self.zero_point = draw(scales), draw(zero_points)
        per_channel = draw(st.booleans())
        self.weight_scales = self.rng.uniform(0.002, 0.05, channels if per_channel else 1).astype(np.float32)
        self.extreme, self.few = draw(st.booleans()), draw(st.integers(1, 16)) if few else 0
        # Trained filters differ in size, and kernels treat small ones, and those of zeros, in their own ways.
        uneven = draw(st.booleans()) and not few
        self.dtype = "int4" if few and draw(st.booleans()) else "int8"
        self.largest = self.rng.choice([0, 1, 7, 14, 28, 60, 127], channels) if uneven else np.array([127])
        # An output that neither always saturates nor is always the same.
        spread = self.input_scale * float(self.weight_scales.mean()) * 74 * 74 * np.sqrt(products)
        self.output_scale = float(np.float32(spread / 60 * draw(st.floats(0.25, 4))))
        self.output_zero = draw(zero_points)
        self.bias = self.rng.integers(-20000, 20000, channels)
        self.has_bias = draw(st.booleans())

    def tensors(self, model: Tflite, source: tuple[int, ...], weights: tuple[int, ...], axis: int) -> list[int]:
        largest = np.moveaxis(self.largest.reshape(-1, *[1] * (len(weights) - 1)), 0, axis)
        data = _weights(self.rng, weights, self.extreme, largest)
        if self.few:
            low, high = (-8, 7) if self.dtype == "int4" else (-127, 127)
            data = self.rng.choice(self.rng.integers(low, high, self.few, endpoint=True), weights)
        inputs = [
            model.tensor(source, scale=self.input_scale, zero_point=self.zero_point),
            model.tensor(weights, self.dtype, scale=self.weight_scales, axis=axis, data=data),
        ]
        bias_scale = np.float32(self.input_scale) * self.weight_scales
        bias = model.tensor((weights[axis],), "int32", scale=bias_scale, data=self.bias)
        return [*inputs, bias if self.has_bias else -1]


def _geometry(draw: Any, dilations: st.SearchStrategy[int], taps: tuple[int, int] | None = None) -> dict[str, Any]:
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    taps = taps or (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    dilation = (draw(dilations), draw(dilations))
    least = [(t - 1) * d + 1 if padding == "VALID" else 1 for t, d in zip(taps, dilation, strict=True)]
    extent = tuple(draw(st.integers(low, low + 7)) for low in least)
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    out = tuple(_out_extent(extent[i], taps[i], stride[i], dilation[i], padding) for i in (0, 1))
    return {"padding": padding, "taps": taps, "dilation": dilation, "extent": extent, "stride": stride, "out": out}


@st.composite
def conv_2d(draw: Any, few: bool = False) -> bytes:
    g = _geometry(draw, st.sampled_from([1, 1, 2, 3]))
    channels, filters = draw(st.integers(1, 9)), draw(st.integers(1, 6))
    if few:  # of fewer weights, none are coded
        channels, filters = draw(st.integers(8, 17)), draw(st.integers(8, 11))
    w = _Weighted(draw, filters, channels * g["taps"][0] * g["taps"][1], few)
    model = Tflite()
    inputs = w.tensors(model, (1, *g["extent"], channels), (filters, *g["taps"], channels), 0)
    output = model.tensor((1, *g["out"], filters), scale=w.output_scale, zero_point=w.output_zero)
    options = {"table": "Conv2DOptions", **_conv_options(g, draw(activations))}
    model.operator("CONV_2D", inputs, [output], **options)
    return model.build([inputs[0]], [output])


@st.composite
def depthwise_conv_2d(draw: Any, only_3x3: bool = False, few: bool = False) -> bytes:
    g = _geometry(draw, st.just(1), (3, 3)) if only_3x3 else _geometry(draw, st.sampled_from([1, 1, 2]))
    channels, multiplier = draw(st.integers(1, 10)), 1 if only_3x3 else draw(st.sampled_from([1, 1, 2, 3]))
    channels = draw(st.integers(64, 70)) // multiplier + 1 if few else channels
    w = _Weighted(draw, channels * multiplier, g["taps"][0] * g["taps"][1], few)
    model = Tflite()
    inputs = w.tensors(model, (1, *g["extent"], channels), (1, *g["taps"], channels * multiplier), 3)
    output = model.tensor((1, *g["out"], channels * multiplier), scale=w.output_scale, zero_point=w.output_zero)
    given = [i for i in inputs if i >= 0]  # the interpreter dies of an absent bias that is listed
    options = {"table": "DepthwiseConv2DOptions", **_conv_options(g, draw(activations))}
    model.operator("DEPTHWISE_CONV_2D", given, [output], depthMultiplier=multiplier, **options)
    return model.build([inputs[0]], [output])


def _conv_options(g: dict[str, Any], activation: str) -> dict[str, Any]:
    return {
        "padding": PADDING[g["padding"]],
        "strideH": g["stride"][0],
        "strideW": g["stride"][1],
        "dilationHFactor": g["dilation"][0],
        "dilationWFactor": g["dilation"][1],
        "fusedActivationFunction": ACTIVATIONS[activation],
    }


@st.composite
def fully_connected(draw: Any, few: bool = False) -> bytes:
    rows, inputs, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 70)), draw(st.integers(1, 9))
    outputs += 64 // inputs if few else 0
    w = _Weighted(draw, outputs, inputs, few)
    w.dtype = "int8" if w.weight_scales.size > 1 else w.dtype  # tflite-micro refuses the other
    model = Tflite()
    operands = w.tensors(model, (rows, inputs), (outputs, inputs), 0)
    output = model.tensor((rows, outputs), scale=w.output_scale, zero_point=w.output_zero)
    activation = ACTIVATIONS[draw(activations)]
    model.operator(
        "FULLY_CONNECTED", operands, [output], table="FullyConnectedOptions", fusedActivationFunction=activation
    )
    return model.build([operands[0]], [output])


@st.composite
def pool_2d(draw: Any) -> bytes:
    geometry = _geometry(draw, st.just(1))
    return pooled(draw, geometry, draw(st.integers(1, 9)), scale=draw(scales), zero_point=draw(zero_points))


def pooled(draw: Any, g: dict[str, Any], channels: int, dtype: str = "int8", **same: Any) -> bytes:
    """`same`: what input and output have alike, scale and zero point."""
    model = Tflite()
    source = model.tensor((1, *g["extent"], channels), dtype, **same)
    output = model.tensor((1, *g["out"], channels), dtype, **same)
    model.operator(
        draw(st.sampled_from(["AVERAGE_POOL_2D", "MAX_POOL_2D"])),
        [source],
        [output],
        table="Pool2DOptions",
        padding=PADDING[g["padding"]],
        strideH=g["stride"][0],
        strideW=g["stride"][1],
        filterHeight=g["taps"][0],
        filterWidth=g["taps"][1],
        fusedActivationFunction=ACTIVATIONS[draw(activations)],
    )
    return model.build([source], [output])


@st.composite
def elementwise(draw: Any, long_addition: bool = False) -> bytes:
    """With broadcasting; or an addition of up to a hundred values without."""
    name = "ADD" if long_addition else draw(st.sampled_from(["ADD", "MUL"]))
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    drop = draw(st.integers(0, len(shape) - 1)) if draw(st.booleans()) else 0
    other = tuple(1 if draw(st.integers(0, 3)) == 0 else e for e in shape[drop:])
    if long_addition:
        shape = other = (draw(st.integers(1, 100)),)
    model = Tflite()
    rng = np.random.default_rng(draw(seeds))
    a = model.tensor(shape, scale=draw(scales), zero_point=draw(zero_points))
    fixed = draw(st.booleans())
    data = rng.integers(-128, 127, other, endpoint=True) if fixed else None
    b = model.tensor(other, scale=draw(scales), zero_point=draw(zero_points), data=data)
    output = model.tensor(shape, scale=draw(scales), zero_point=draw(zero_points))
    operands = [a, b] if draw(st.booleans()) else [b, a]
    activation = ACTIVATIONS[draw(activations)]
    model.operator(name, operands, [output], table=f"{name.capitalize()}Options", fusedActivationFunction=activation)
    return model.build([a] if fixed else [a, b], [output])


@st.composite
def mean(draw: Any) -> bytes:
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=2, max_size=4)))
    first = draw(st.integers(0, len(shape) - 1))
    last = draw(st.integers(first, len(shape) - 1))
    axes = list(range(first, last + 1))
    keep = draw(st.booleans()) or len(axes) == len(shape)
    out = tuple(1 if i in axes else e for i, e in enumerate(shape) if keep or i not in axes)
    signed = [a - len(shape) for a in axes] if draw(st.booleans()) else axes
    model = Tflite()
    source = model.tensor(shape, scale=draw(scales), zero_point=draw(zero_points))
    dimensions = model.tensor((len(axes),), "int32", data=signed)
    output = model.tensor(out, scale=draw(scales), zero_point=draw(zero_points))
    model.operator("MEAN", [source, dimensions], [output], table="ReducerOptions", keepDims=keep)
    return model.build([source], [output])


@st.composite
def pad(draw: Any) -> bytes:
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    amounts = [(draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in shape]
    scale, zero_point = draw(scales), draw(zero_points)
    model = Tflite()
    source = model.tensor(shape, scale=scale, zero_point=zero_point)
    inputs = [source, model.tensor((len(shape), 2), "int32", data=amounts)]
    out = tuple(e + sum(a) for e, a in zip(shape, amounts, strict=True))
    output = model.tensor(out, scale=scale, zero_point=zero_point)
    if draw(st.booleans()):
        inputs.append(model.tensor((1,), scale=scale, zero_point=zero_point, data=[draw(st.integers(-128, 127))]))
        model.operator("PADV2", inputs, [output], table="PadV2Options")
    else:
        model.operator("PAD", inputs, [output], table="PadOptions")
    return model.build([source], [output])


@st.composite
def concatenation(draw: Any) -> bytes:
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    axis = draw(st.integers(0, len(shape) - 1))
    widths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    scale, zero_point = draw(scales), draw(zero_points)
    model = Tflite()
    parts = [
        model.tensor([*shape[:axis], width, *shape[axis + 1 :]], scale=scale, zero_point=zero_point) for width in widths
    ]
    total = [*shape[:axis], sum(widths), *shape[axis + 1 :]]
    output = model.tensor(total, scale=scale, zero_point=zero_point)
    given = axis - len(shape) if draw(st.booleans()) else axis
    model.operator("CONCATENATION", parts, [output], table="ConcatenationOptions", axis=given)
    return model.build(parts, [output])


@st.composite
def softmax(draw: Any) -> bytes:
    rows, depth = draw(st.integers(1, 3)), draw(st.one_of(st.integers(1, 20), st.integers(100, 500)))
    model = Tflite()
    scale = draw(st.floats(2.0**-12, 4.0, width=32))
    source = model.tensor((rows, depth), scale=scale, zero_point=draw(zero_points))
    fine = draw(st.integers(0, 3)) == 0
    if fine:  # the interpreter wants the scale to be near 1/65536, no more
        output = model.tensor((rows, depth), "int16", scale=1 / 65535, zero_point=-32768)
    else:
        output = model.tensor((rows, depth), scale=1 / 256, zero_point=-128)
    beta = draw(st.sampled_from([1.0, 1.0, 0.5, 2.0]))
    model.operator("SOFTMAX", [source], [output], table="SoftmaxOptions", beta=beta)
    return model.build([source], [output])


@st.composite
def logistic(draw: Any) -> bytes:
    count = draw(st.integers(1, 300))
    model = Tflite()
    scale = draw(st.floats(2.0**-12, 4.0, width=32))
    source = model.tensor((1, count), scale=scale, zero_point=draw(zero_points))
    output = model.tensor((1, count), scale=1 / 256, zero_point=-128)
    model.operator("LOGISTIC", [source], [output])
    return model.build([source], [output])


@st.composite
def quantize(draw: Any) -> bytes:
    pair = draw(
        st.sampled_from(
            [("float32", "int8"), ("int16", "int8"), ("uint8", "int8"), ("int8", "int8"), ("int8", "uint8")]
        )
    )
    count = draw(st.integers(1, 400))
    model = Tflite()

    def tensor(dtype: str) -> int:
        if dtype == "float32":
            return model.tensor((1, count), dtype)
        zero_point = draw(zero_points) + (128 if dtype == "uint8" else 0)
        return model.tensor((1, count), dtype, scale=draw(scales), zero_point=0 if dtype == "int16" else zero_point)

    source, output = tensor(pair[0]), tensor(pair[1])
    model.operator("QUANTIZE", [source], [output], table="QuantizeOptions")
    return model.build([source], [output])


@st.composite
def dequantize(draw: Any) -> bytes:
    count = draw(st.integers(1, 300))
    model = Tflite()
    source = model.tensor((1, count), scale=draw(scales), zero_point=draw(zero_points))
    output = model.tensor((1, count), "float32")
    model.operator("DEQUANTIZE", [source], [output], table="DequantizeOptions")
    return model.build([source], [output])


@st.composite
def reshape(draw: Any) -> bytes:
    """Reshapes between graph edges and an addition, so that each way of sharing storage occurs."""
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    model = Tflite()
    edge = {"scale": 0.5, "zero_point": draw(zero_points)}
    shapes = [(1, height, width, 1), (1, height * width), (height, width)]
    tensors = [model.tensor(shapes[0], **edge)]
    for step in range(draw(st.integers(1, 3))):
        shape = shapes[(step + 1) % 3]
        if draw(st.booleans()):
            same = model.tensor(shapes[step % 3], **edge)
            model.operator(
                "ADD", [tensors[-1], tensors[0]] if step == 0 else [tensors[-1]] * 2, [same], table="AddOptions"
            )
            tensors.append(same)
        wanted = model.tensor((len(shape),), "int32", data=shape)
        tensors.append(model.tensor(shape, **edge))
        model.operator("RESHAPE", [tensors[-2], wanted], [tensors[-1]], table="ReshapeOptions", newShape=list(shape))
    return model.build([tensors[0]], [tensors[-1]])


OPERATORS = {
    "conv_2d": conv_2d(),
    "depthwise_conv_2d": depthwise_conv_2d(),
    "fully_connected": fully_connected(),
    "conv_2d_coded": conv_2d(few=True),
    "depthwise_conv_2d_coded": depthwise_conv_2d(few=True),
    "depthwise_3x3_coded": depthwise_conv_2d(only_3x3=True, few=True),
    "fully_connected_coded": fully_connected(few=True),
    "pool_2d": pool_2d(),
    "elementwise": elementwise(),
    "mean": mean(),
    "pad": pad(),
    "concatenation": concatenation(),
    "softmax": softmax(),
    "logistic": logistic(),
    "quantize": quantize(),
    "dequantize": dequantize(),
    "reshape": reshape(),
}
