"""hypothesis strategies for small image networks: layers one after another, branches that are added up, odd extents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from fakes.tflite import ACTIVATIONS, PADDING, Tflite

SCALE = 0.05
KINDS = ("conv", "conv", "depthwise", "depthwise", "pool", "add", "logistic")


@dataclass
class _Network:
    """A network in the making; `images` are the tensors (index, shape, scale, zero point) that can be read."""

    draw: Any
    rng: np.random.Generator
    few: bool = False  # weights of sixteen values
    model: Tflite = field(default_factory=Tflite)
    images: list[tuple[int, tuple[int, ...], float, int]] = field(default_factory=list)

    def image(self, shape: tuple[int, ...], scale: float = SCALE, zero_point: int | None = None) -> int:
        zero = int(self.rng.integers(-40, 40)) if zero_point is None else zero_point
        index = self.model.tensor(shape, scale=scale, zero_point=zero)
        self.images.append((index, shape, scale, zero))
        return index

    def layer(self, kind: str) -> None:
        source = self.images[-1] if self.draw(st.integers(0, 3)) else self.draw(st.sampled_from(self.images[-3:]))
        getattr(self, kind)(source)

    def window(self, shape: tuple[int, ...], taps: int) -> tuple[dict[str, Any], tuple[int, int], tuple[int, int]]:
        """Options, kernel and output extents that fit the image."""
        draw = self.draw
        dilation = draw(st.sampled_from([1, 1, 1, 2]))
        padding = draw(st.sampled_from(["SAME", "SAME", "VALID"]))
        kernel = (taps, min(taps, draw(st.sampled_from([1, 3]))))
        reach = [(k - 1) * dilation + 1 for k in kernel]
        if padding == "VALID" and (reach[0] > shape[1] or reach[1] > shape[2]):
            padding = "SAME"
        stride = (draw(st.sampled_from([1, 1, 2, 3])), draw(st.sampled_from([1, 1, 2])))
        out = [-(-shape[1 + i] // stride[i]) for i in (0, 1)]
        if padding == "VALID":
            out = [(shape[1 + i] - reach[i]) // stride[i] + 1 for i in (0, 1)]
        activation = draw(st.sampled_from(["NONE", "NONE", "RELU"]))
        options = {"padding": PADDING[padding], "strideH": stride[0], "strideW": stride[1]}
        options |= {"dilationHFactor": dilation, "dilationWFactor": dilation}
        options |= {"fusedActivationFunction": ACTIVATIONS[activation]}
        return options, kernel, (out[0], out[1])

    def weights(self, shape: tuple[int, ...], axis: int) -> list[int]:
        products = np.prod(shape) / shape[axis]
        scales = (self.rng.uniform(0.5, 1.5, shape[axis]) / 74 / np.sqrt(products)).astype(np.float32)
        values = self.rng.integers(-127, 127, shape, endpoint=True)
        values = values // 16 * 15 if self.few else values
        bias = self.rng.integers(-2000, 2000, shape[axis])
        bias_scale = np.float32(SCALE) * scales
        return [
            self.model.tensor(shape, scale=scales, axis=axis, data=values),
            self.model.tensor((shape[axis],), "int32", scale=bias_scale, data=bias),
        ]

    def conv(self, source: tuple[int, tuple[int, ...], float, int]) -> None:
        index, shape, *_ = source
        options, kernel, out = self.window(shape, self.draw(st.sampled_from([1, 1, 3, 4])))
        filters = self.draw(st.integers(8, 12) if self.few else st.integers(1, 6))
        inputs = [index, *self.weights((filters, *kernel, shape[3]), 0)]
        self.model.operator("CONV_2D", inputs, [self.image((1, *out, filters))], table="Conv2DOptions", **options)

    def depthwise(self, source: tuple[int, tuple[int, ...], float, int]) -> None:
        index, shape, *_ = source
        options, kernel, out = self.window(shape, 3)
        inputs = [index, *self.weights((1, *kernel, shape[3]), 3)]
        output = self.image((1, *out, shape[3]))
        self.model.operator(
            "DEPTHWISE_CONV_2D", inputs, [output], table="DepthwiseConv2DOptions", depthMultiplier=1, **options
        )

    def pool(self, source: tuple[int, tuple[int, ...], float, int]) -> None:
        index, shape, scale, zero_point = source
        options, kernel, _ = self.window(shape, self.draw(st.sampled_from([2, 3])))
        options = {name: value for name, value in options.items() if not name.startswith("dilation")}
        options |= {"padding": PADDING["SAME"], "filterHeight": kernel[0], "filterWidth": kernel[1]}
        out = (-(-shape[1] // options["strideH"]), -(-shape[2] // options["strideW"]))
        output = self.image((1, *out, shape[3]), scale, zero_point)
        kind = self.draw(st.sampled_from(["AVERAGE_POOL_2D", "MAX_POOL_2D"]))
        self.model.operator(kind, [index], [output], table="Pool2DOptions", **options)

    def add(self, source: tuple[int, tuple[int, ...], float, int]) -> None:
        index, shape, *_ = source
        others = [i for i, other, *_ in self.images if other == shape and i != index]
        if not others:
            self.depthwise(source)
            return
        other = self.draw(st.sampled_from(others))
        self.model.operator("ADD", [index, other], [self.image(shape, 0.07)], table="AddOptions")

    def logistic(self, source: tuple[int, tuple[int, ...], float, int]) -> None:
        index, shape, *_ = source
        self.model.operator("LOGISTIC", [index], [self.image(shape, 1 / 256, -128)])


@st.composite
def image_networks(draw: Any, few: bool = False) -> bytes:
    """3 to 7 layers. Every tensor that nothing reads is an output. `few`: weights of sixteen values, and more channels:
    of less than 64 weights none are coded."""
    network = _Network(draw, np.random.default_rng(draw(st.integers(0, 2**32 - 1))), few=few)
    shape = (
        1,
        draw(st.integers(5, 24)),
        draw(st.integers(1, 9)),
        draw(st.integers(8, 12) if few else st.integers(1, 5)),
    )
    first = network.image(shape)
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=3, max_size=7)):
        network.layer(kind)
    read = {int(i) for operator in network.model.graph.operators for i in operator.inputs}
    outputs = [index for index, *_ in network.images if index not in read]
    return network.model.build([first], outputs)


def camera_network(height: int = 12) -> bytes:
    """Rows of 5 pixels with 2 channels, a multiple of four: a convolution, a depthwise one, another, a dense layer."""
    rng = np.random.default_rng(1)
    model = Tflite()
    options = {"padding": PADDING["SAME"], "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}

    def weights(shape: tuple[int, ...], axis: int) -> int:
        return model.tensor(shape, scale=0.01, axis=axis, data=rng.integers(-127, 127, shape, endpoint=True))

    source = model.tensor((1, height, 5, 2), scale=SCALE, zero_point=-3)
    wide = model.tensor((1, height, 5, 8), scale=SCALE, zero_point=5)
    deep = model.tensor((1, height // 2, 5, 8), scale=SCALE)
    last = model.tensor((1, height // 4, 5, 2), scale=SCALE)
    output = model.tensor((1, 3), scale=0.2)
    model.operator(
        "CONV_2D", [source, weights((8, 3, 3, 2), 0), -1], [wide], table="Conv2DOptions", strideH=1, **options
    )
    depthwise = {"table": "DepthwiseConv2DOptions", "depthMultiplier": 1, "strideH": 2}
    model.operator("DEPTHWISE_CONV_2D", [wide, weights((1, 3, 3, 8), 3)], [deep], **depthwise, **options)
    model.operator("CONV_2D", [deep, weights((2, 3, 3, 8), 0), -1], [last], table="Conv2DOptions", strideH=2, **options)
    dense = weights((3, height // 4 * 10), 0)
    model.operator("FULLY_CONNECTED", [last, dense, -1], [output], table="FullyConnectedOptions")
    return model.build([source], [output])


def remembering_network() -> bytes:
    """A picture that is kept in a variable: two 3x3 layers make the next one of it, to which the input is added."""
    rng = np.random.default_rng(3)
    model = Tflite()
    shape = (1, 8, 6, 4)
    given, old, middle, new, total = (model.tensor(shape, scale=SCALE, zero_point=z) for z in (0, 2, -5, 2, 2))
    handle = model.handle("picture")
    options = {"padding": PADDING["SAME"], "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    model.operator("READ_VARIABLE", [handle], [old])
    for source, output in ((old, middle), (middle, new)):
        values = rng.integers(-127, 127, (1, 3, 3, 4), endpoint=True)
        taps = model.tensor((1, 3, 3, 4), scale=0.004, data=values)
        model.operator(
            "DEPTHWISE_CONV_2D", [source, taps], [output], table="DepthwiseConv2DOptions", depthMultiplier=1, **options
        )
    model.operator("ADD", [new, given], [total], table="AddOptions")
    model.operator("ASSIGN_VARIABLE", [handle, total], [])
    said = model.tensor(shape, scale=1 / 256, zero_point=-128)
    model.operator("LOGISTIC", [total], [said])
    start = model.other()
    value = start.tensor(shape, scale=SCALE, zero_point=2, data=np.full(shape, 2, np.int8))
    start.operator("ASSIGN_VARIABLE", [start.handle("picture"), value], [])
    model.operator("CALL_ONCE", [], [], table="CallOnceOptions", initSubgraphIndex=1)
    model.graph.operators.insert(0, model.graph.operators.pop())
    return model.build([given], [said])
