"""hypothesis strategies for models of one operator with int16 activations and int8 weights (16x8)."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from fakes.operator_models import _conv_options, _geometry, _weights, activations, pooled, seeds
from fakes.tflite import ACTIVATIONS, PADDING, Tflite

scales = st.floats(2.0**-16, 2.0**-8, width=32)


class _Weighted:
    """Weights, bias and matching scales; `vast` makes sums of more than 32 bits, or factors above a quarter."""

    def __init__(self, draw: Any, channels: int, products: int, vast: bool) -> None:
        self.rng = np.random.default_rng(draw(seeds))
        self.input_scale = draw(scales)
        per_channel = draw(st.booleans())
        self.weight_scales = self.rng.uniform(0.002, 0.05, channels if per_channel else 1).astype(np.float32)
        self.extreme = vast or draw(st.booleans())
        uneven = draw(st.booleans())
        self.largest = self.rng.choice([0, 1, 7, 28, 127], channels) if uneven else np.array([127])
        spread = self.input_scale * float(self.weight_scales.mean()) * 74 * 19000 * np.sqrt(products)
        self.output_scale = float(np.float32(spread / 16000 * draw(st.floats(0.25, 4))))
        most, finer = draw(st.sampled_from([(2**33, 1), (2**28, 64)])) if vast else (2**22, 1)
        self.output_scale = float(np.float32(self.output_scale / finer))
        self.bias = self.rng.integers(-most, most, channels)
        if most == 2**33:
            self.bias[0] = 2**32 + 5  # more than 32 bits in any case
        self.has_bias = vast or draw(st.booleans())

    def tensors(self, model: Tflite, source: tuple[int, ...], weights: tuple[int, ...], axis: int) -> list[int]:
        largest = np.moveaxis(self.largest.reshape(-1, *[1] * (len(weights) - 1)), 0, axis)
        data = _weights(self.rng, weights, self.extreme, largest)
        inputs = [
            model.tensor(source, "int16", scale=self.input_scale),
            model.tensor(weights, scale=self.weight_scales, axis=axis, data=data),
        ]
        bias_scale = np.float32(self.input_scale) * self.weight_scales
        bias = model.tensor((weights[axis],), "int64", scale=bias_scale, data=self.bias)
        return [*inputs, bias if self.has_bias else -1]


@st.composite
def conv_2d(draw: Any, vast: bool = False) -> bytes:
    g = _geometry(draw, st.sampled_from([1, 1, 2, 3]))
    channels, filters = draw(st.integers(1, 9)), draw(st.integers(1, 6))
    w = _Weighted(draw, filters, channels * g["taps"][0] * g["taps"][1], vast)
    model = Tflite()
    inputs = w.tensors(model, (1, *g["extent"], channels), (filters, *g["taps"], channels), 0)
    output = model.tensor((1, *g["out"], filters), "int16", scale=w.output_scale)
    model.operator("CONV_2D", inputs, [output], table="Conv2DOptions", **_conv_options(g, draw(activations)))
    return model.build([inputs[0]], [output])


@st.composite
def depthwise_conv_2d(draw: Any, vast: bool = False) -> bytes:
    g = _geometry(draw, st.sampled_from([1, 1, 2]))
    channels, multiplier = draw(st.integers(1, 10)), draw(st.sampled_from([1, 1, 2, 3]))
    w = _Weighted(draw, channels * multiplier, g["taps"][0] * g["taps"][1], vast)
    model = Tflite()
    inputs = w.tensors(model, (1, *g["extent"], channels), (1, *g["taps"], channels * multiplier), 3)
    output = model.tensor((1, *g["out"], channels * multiplier), "int16", scale=w.output_scale)
    given = [i for i in inputs if i >= 0]  # the interpreter dies of an absent bias that is listed
    options = {"table": "DepthwiseConv2DOptions", **_conv_options(g, draw(activations))}
    model.operator("DEPTHWISE_CONV_2D", given, [output], depthMultiplier=multiplier, **options)
    return model.build([inputs[0]], [output])


@st.composite
def fully_connected(draw: Any, vast: bool = False) -> bytes:
    rows, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 9))
    inputs = draw(st.integers(500, 900) if vast else st.integers(1, 70))
    w = _Weighted(draw, outputs, inputs, vast)
    model = Tflite()
    operands = w.tensors(model, (rows, inputs), (outputs, inputs), 0)
    output = model.tensor((rows, outputs), "int16", scale=w.output_scale)
    activation = ACTIVATIONS[draw(activations)]
    model.operator(
        "FULLY_CONNECTED", operands, [output], table="FullyConnectedOptions", fusedActivationFunction=activation
    )
    return model.build([operands[0]], [output])


@st.composite
def pool_2d(draw: Any) -> bytes:
    geometry = _geometry(draw, st.just(1))
    return pooled(draw, geometry, draw(st.integers(1, 9)), "int16", scale=draw(scales))


@st.composite
def elementwise(draw: Any) -> bytes:
    name = draw(st.sampled_from(["ADD", "SUB", "MUL"]))
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    drop = draw(st.integers(0, len(shape) - 1)) if draw(st.booleans()) else 0
    other = tuple(1 if draw(st.integers(0, 3)) == 0 else e for e in shape[drop:])
    model = Tflite()
    rng = np.random.default_rng(draw(seeds))
    a = model.tensor(shape, "int16", scale=draw(scales))
    fixed = draw(st.booleans())
    data = rng.integers(-32768, 32767, other, endpoint=True) if fixed else None
    b = model.tensor(other, "int16", scale=draw(scales), data=data)
    made = 2.0**-22 if name == "MUL" else 1.0
    output = model.tensor(shape, "int16", scale=draw(scales) * (made * 2**12 if name == "MUL" else 1))
    operands = [a, b] if draw(st.booleans()) else [b, a]
    activation = ACTIVATIONS[draw(activations)]
    model.operator(name, operands, [output], table=f"{name.capitalize()}Options", fusedActivationFunction=activation)
    return model.build([a] if fixed else [a, b], [output])


@st.composite
def mean(draw: Any) -> bytes:
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=2, max_size=4)))
    first = draw(st.integers(0, len(shape) - 1))
    axes = list(range(first, draw(st.integers(first, len(shape) - 1)) + 1))
    keep = draw(st.booleans()) or len(axes) == len(shape)
    out = tuple(1 if i in axes else e for i, e in enumerate(shape) if keep or i not in axes)
    model = Tflite()
    source = model.tensor(shape, "int16", scale=draw(scales))
    dimensions = model.tensor((len(axes),), "int32", data=axes)
    output = model.tensor(out, "int16", scale=draw(scales))
    name = draw(st.sampled_from(["MEAN", "MEAN", "SUM"]))
    model.operator(name, [source, dimensions], [output], table="ReducerOptions", keepDims=keep)
    return model.build([source], [output])


@st.composite
def moved(draw: Any) -> bytes:
    """What only moves values: padding, joining, another shape."""
    name = draw(st.sampled_from(["PAD", "CONCATENATION", "RESHAPE", "TRANSPOSE"]))
    shape, scale = [draw(st.integers(1, 5)) for _ in range(3)], draw(scales)
    model = Tflite()
    source = model.tensor(shape, "int16", scale=scale)
    inputs, options = [source], {}
    if name == "PAD":
        amounts = [(draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in shape]
        inputs.append(model.tensor((3, 2), "int32", data=amounts))
        out = [e + sum(a) for e, a in zip(shape, amounts, strict=True)]
    elif name == "CONCATENATION":
        inputs.append(model.tensor(shape, "int16", scale=scale))
        out, options = [*shape[:2], 2 * shape[2]], {"table": "ConcatenationOptions", "axis": 2}
    elif name == "TRANSPOSE":
        inputs.append(model.tensor((3,), "int32", data=[2, 0, 1]))
        out = [shape[2], shape[0], shape[1]]
    else:
        out = [shape[0] * shape[1], shape[2]]
        inputs.append(model.tensor((2,), "int32", data=out))
    output = model.tensor(out, "int16", scale=scale)
    model.operator(name, inputs, [output], **options)
    return model.build([source, inputs[1]] if name == "CONCATENATION" else [source], [output])


@st.composite
def quantize(draw: Any) -> bytes:
    given, made = draw(st.sampled_from([("int8", "int16"), ("int16", "int8"), ("int16", "int16")]))
    count = draw(st.integers(1, 400))
    zeros = st.integers(-128, 127)
    model = Tflite()
    ends = [
        model.tensor(
            (1, count),
            dtype,
            scale=draw(scales) * (256 if dtype == "int8" else 1),
            zero_point=draw(zeros) if dtype == "int8" else 0,
        )
        for dtype in (given, made)
    ]
    model.operator("QUANTIZE", ends[:1], ends[1:], table="QuantizeOptions")
    return model.build(ends[:1], ends[1:])


@st.composite
def softmax(draw: Any) -> bytes:
    rows, depth = draw(st.integers(1, 3)), draw(st.one_of(st.integers(1, 20), st.integers(100, 500)))
    model = Tflite()
    source = model.tensor((rows, depth), "int16", scale=draw(st.floats(2.0**-16, 2.0**-6, width=32)))
    output = model.tensor((rows, depth), "int16", scale=1 / 32768)
    beta = draw(st.sampled_from([1.0, 1.0, 0.5, 2.0]))
    model.operator("SOFTMAX", [source], [output], table="SoftmaxOptions", beta=beta)
    return model.build([source], [output])


def network() -> bytes:
    """A model as squeeze makes it: int8 at the ends, in between every kernel of int16; the last layer has a bias of
    more than 32 bits."""
    rng = np.random.default_rng(11)
    model = Tflite()

    def weights(shape: tuple[int, ...], axis: int, first_bias: int | None = None) -> list[int]:
        values = rng.integers(-127, 127, shape, endpoint=True)
        given = rng.integers(-(2**20), 2**20, shape[axis], endpoint=True)
        given[0] = given[0] if first_bias is None else first_bias
        return [
            model.tensor(shape, scale=rng.uniform(0.002, 0.004, shape[axis]), axis=axis, data=values),
            model.tensor((shape[axis],), "int64", data=given),
        ]

    def wide(*shape: int, scale: float = 2.0**-12) -> int:
        return model.tensor(shape, "int16", scale=scale)

    same = {"padding": PADDING["SAME"], "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "strideH": 1}
    relu = {"fusedActivationFunction": ACTIVATIONS["RELU"]}
    source, given = model.tensor((1, 9, 7, 3), scale=0.03, zero_point=5), wide(1, 9, 7, 3)
    first, second, third, total = (wide(1, 9, 7, 8) for _ in range(4))
    small, narrow, product = wide(1, 4, 3, 8), wide(1, 8), wide(1, 8)
    logits, output = wide(1, 5, scale=0.25), model.tensor((1, 5), scale=0.25, zero_point=-3)
    model.operator("QUANTIZE", [source], [given], table="QuantizeOptions")
    model.operator("CONV_2D", [given, *weights((8, 3, 3, 3), 0)], [first], table="Conv2DOptions", **same, **relu)
    depthwise = {"table": "DepthwiseConv2DOptions", "depthMultiplier": 1}
    model.operator("DEPTHWISE_CONV_2D", [first, *weights((1, 3, 3, 8), 3)], [second], **depthwise, **same)
    model.operator("CONV_2D", [second, *weights((8, 1, 1, 8), 0)], [third], table="Conv2DOptions", **same, **relu)
    model.operator("ADD", [first, third], [total], table="AddOptions")
    pool = {"strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2, "padding": PADDING["VALID"]}
    model.operator("MAX_POOL_2D", [total], [small], table="Pool2DOptions", **pool)
    dimensions = model.tensor((2,), "int32", data=[1, 2])
    model.operator("MEAN", [small, dimensions], [narrow], table="ReducerOptions")
    factors = model.tensor((1, 8), "int16", scale=2.0**-14, data=rng.integers(-32768, 32767, (1, 8)))
    model.operator("MUL", [narrow, factors], [product], table="MulOptions")
    model.operator("FULLY_CONNECTED", [product, *weights((5, 8), 0, 2**33)], [logits], table="FullyConnectedOptions")
    model.operator("QUANTIZE", [logits], [output], table="QuantizeOptions")
    return model.build([source], [output])


MODELS = {
    "int16_conv_2d": conv_2d(),
    "int16_conv_2d_vast": conv_2d(vast=True),
    "int16_depthwise_conv_2d": depthwise_conv_2d(),
    "int16_depthwise_conv_2d_vast": depthwise_conv_2d(vast=True),
    "int16_fully_connected": fully_connected(),
    "int16_fully_connected_vast": fully_connected(vast=True),
    "int16_pool_2d": pool_2d(),
    "int16_elementwise": elementwise(),
    "int16_mean": mean(),
    "int16_moved": moved(),
    "int16_quantize": quantize(),
    "int16_softmax": softmax(),
}
