"""hypothesis strategies for models that keep state: SVDF, LSTM, and operators that read and assign resources."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from fakes.operator_models import scales, seeds, zero_points
from fakes.tflite import ACTIVATIONS, PADDING, Tflite

SPREAD = 74.0  # of uniform bytes


def _bytes(rng: np.random.Generator, shape: tuple[int, ...], extreme: bool) -> np.ndarray:
    return rng.choice([-127, 127], shape) if extreme else rng.integers(-127, 127, shape, endpoint=True)


def svdf_model(dtype: str = "int16") -> Tflite:
    """Tensors: 0 input, 1 weights, 2 weights over time, 3 biases, 4 state, 5 output. 6 filters by 2."""
    model = Tflite()
    model.tensor((1, 5), scale=0.5)
    model.tensor((6, 5), scale=0.01, data=np.ones((6, 5)))
    model.tensor((6, 3), dtype, scale=0.001, data=np.ones((6, 3)))
    model.tensor((3,), "int32", scale=1e-5, data=np.zeros(3))
    model.tensor((1, 18), dtype, scale=0.01, variable=True)
    model.tensor((1, 3), scale=0.5)
    model.operator("SVDF", [0, 1, 2, 3, 4], [5], table="SVDFOptions", rank=2)
    return model


def lstm_model() -> Tflite:
    """Tensors: 0 input, 1 to 8 weights, 9 to 12 biases, 13 hidden state, 14 cell state, 15 output."""
    model = Tflite()
    model.tensor((1, 2, 5), scale=0.5)
    for width in (5, 5, 5, 5, 4, 4, 4, 4):
        model.tensor((4, width), scale=0.01, data=np.ones((4, width)))
    for _ in range(4):
        model.tensor((4,), "int32", scale=0.005, data=np.zeros(4))
    model.tensor((1, 4), scale=1 / 128, variable=True)
    model.tensor((1, 4), "int16", scale=2.0**-12, variable=True)
    model.tensor((1, 2, 4), scale=1 / 128)
    operands = [*range(9), -1, -1, -1, *range(9, 13), -1, -1, 13, 14, -1, -1, -1, -1]
    fields = {"fusedActivationFunction": ACTIVATIONS["TANH"], "cellClip": 10.0}
    table = "UnidirectionalSequenceLSTMOptions"
    model.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [15], table=table, **fields)
    return model


@st.composite
def svdf(draw: Any, dtype: str | None = None) -> bytes:
    dtype = dtype or draw(st.sampled_from(["int16", "int8"]))
    inputs, units, rank, memory = (draw(st.integers(1, most)) for most in (19, 5, 3, 9))
    rng, extreme, filters = np.random.default_rng(draw(seeds)), draw(st.booleans()), units * rank
    most = {"int16": 32767, "int8": 127}[dtype]
    feature_scale, time_scale, input_scale = 0.01, 0.02 * 127 / most, draw(scales)
    spread = input_scale * feature_scale * SPREAD**2 * np.sqrt(inputs)
    state_scale = np.float32(spread / most * draw(st.floats(0.5, 8)))
    output_scale = spread * time_scale * most / 2 * np.sqrt(memory * rank) / 60 * draw(st.floats(0.25, 4))
    state_zero = draw(zero_points) if dtype == "int8" else 0
    time = rng.choice([-most, most], (filters, memory)) if extreme else rng.integers(-most, most, (filters, memory))
    model = Tflite()
    tensors = [
        model.tensor((1, inputs), scale=input_scale, zero_point=draw(zero_points)),
        model.tensor((filters, inputs), scale=feature_scale, data=_bytes(rng, (filters, inputs), extreme)),
        model.tensor((filters, memory), dtype, scale=time_scale, data=time),
        model.tensor(
            (units,), "int32", scale=state_scale * np.float32(time_scale), data=rng.integers(-9999, 9999, units)
        ),
        model.tensor((1, filters * memory), dtype, scale=state_scale, zero_point=state_zero, variable=True),
    ]
    output = model.tensor((1, units), scale=output_scale, zero_point=draw(zero_points))
    activation = ACTIVATIONS[draw(st.sampled_from(["NONE", "RELU"]))]
    model.operator("SVDF", tensors, [output], table="SVDFOptions", rank=rank, fusedActivationFunction=activation)
    return model.build([tensors[0]], [output])


@st.composite
def lstm(draw: Any) -> bytes:
    steps, inputs, units = draw(st.integers(1, 5)), draw(st.integers(1, 11)), draw(st.integers(1, 9))
    rng, extreme, time_major = np.random.default_rng(draw(seeds)), draw(st.booleans()), draw(st.booleans())
    input_scale, zero_point = draw(scales), draw(zero_points)
    hidden = {"scale": draw(st.sampled_from([1 / 128, 1 / 127, 0.004])), "zero_point": draw(zero_points)}
    cell_scale = 2.0 ** draw(st.integers(-15, -6))
    # Gates that neither always saturate nor always say a half.
    reach = draw(st.floats(0.5, 6)) / SPREAD**2
    weight_scales = (reach / input_scale / np.sqrt(inputs), reach * 128 / np.sqrt(units))
    model = Tflite()
    shape = (steps, 1) if time_major else (1, steps)
    tensors = [model.tensor((*shape, inputs), scale=input_scale, zero_point=zero_point), *[-1] * 23]
    for gate in range(4):
        for first, width, scale in ((1, inputs, weight_scales[0]), (5, units, weight_scales[1])):
            weights = _bytes(rng, (units, width), extreme)
            tensors[first + gate] = model.tensor((units, width), scale=scale * rng.uniform(0.5, 2), data=weights)
        bias = rng.integers(-9999, 9999, units)
        tensors[12 + gate] = model.tensor((units,), "int32", scale=input_scale * weight_scales[0], data=bias)
    tensors[18] = model.tensor((1, units), **hidden, variable=True)
    tensors[19] = model.tensor((1, units), "int16", scale=cell_scale, variable=True)
    output = model.tensor((*shape, units), **hidden)
    model.operator(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        tensors,
        [output],
        table="UnidirectionalSequenceLSTMOptions",
        fusedActivationFunction=ACTIVATIONS["TANH"],
        cellClip=draw(st.sampled_from([0.0, 10.0, 0.5])),
        timeMajor=time_major,
    )
    return model.build([tensors[0]], [output])


KINDS = ("READ", "READ", "ASSIGN", "ASSIGN", "ADD", "RESHAPE", "SPLIT", "JOIN")


class Resources:
    """A model whose tensors all have one shape and quantisation, so that any may be assigned to any resource."""

    def __init__(self, draw: Any) -> None:
        self.draw, self.model = draw, Tflite()
        self.shape = (1, draw(st.one_of(st.just(32), st.integers(1, 10).map(lambda half: 2 * half))))
        self.edge = {"scale": 0.5, "zero_point": draw(st.sampled_from([0, -128, 5]))}
        self.rng = np.random.default_rng(draw(seeds))
        self.names = [f"r{i}" for i in range(draw(st.integers(1, 3)))]
        self.source = self.model.tensor(self.shape, **self.edge)
        self.values = [self.source, self.constant(self.model)]
        self.handles: dict[str, int] = {}
        self.halves: list[int] = []

    def constant(self, model: Tflite) -> int:
        uniform = self.draw(st.booleans())
        data = np.full(self.shape, 7) if uniform else self.rng.integers(-128, 127, self.shape)
        return model.tensor(self.shape, **self.edge, data=data)

    def value(self) -> int:
        return self.draw(st.sampled_from(self.values))

    def initialise(self) -> None:
        other = self.model.other()
        for name in self.names:
            if self.draw(st.booleans()):
                other.operator("ASSIGN_VARIABLE", [other.handle(name), self.constant(other)], [])
        self.model.operator("CALL_ONCE", [], [], table="CallOnceOptions", initSubgraphIndex=1)

    def handle(self, name: str) -> int:
        """Sometimes the handle that is there, sometimes another of the same resource."""
        if name not in self.handles or self.draw(st.booleans()):
            self.handles[name] = self.model.handle(name)
        return self.handles[name]

    def step(self, kind: str) -> None:
        if kind == "ASSIGN":
            name = self.draw(st.sampled_from(self.names))
            self.model.operator("ASSIGN_VARIABLE", [self.handle(name), self.value()], [])
            return
        if kind == "SPLIT" or (kind == "JOIN" and not self.halves):
            self.split()
        if kind == "SPLIT":
            return
        made = self.model.tensor(self.shape, **self.edge)
        if kind == "READ":
            self.model.operator("READ_VARIABLE", [self.handle(self.draw(st.sampled_from(self.names)))], [made])
        elif kind == "ADD":
            self.model.operator("ADD", [self.value(), self.value()], [made], table="AddOptions")
        elif kind == "JOIN":
            parts = [self.draw(st.sampled_from(self.halves)) for _ in range(2)]
            self.model.operator("CONCATENATION", parts, [made], table="ConcatenationOptions", axis=1)
        else:
            wanted = self.model.tensor((2,), "int32", data=self.shape)
            table = {"table": "ReshapeOptions", "newShape": list(self.shape)}
            self.model.operator("RESHAPE", [self.value(), wanted], [made], **table)
        self.values.append(made)

    def split(self) -> None:
        """Halves, which may lie where the whole lies where they start at a multiple of 16."""
        axis = self.model.tensor((), "int32", data=np.array(1))
        made = [self.model.tensor((1, self.shape[1] // 2), **self.edge) for _ in range(2)]
        self.model.operator("SPLIT", [axis, self.value()], made, table="SplitOptions", numSplits=2)
        self.halves += made


@st.composite
def resources(draw: Any) -> bytes:
    """Reads, assignments, additions, reshapes and halves in any order: each way to share storage with state occurs."""
    made = Resources(draw)
    if draw(st.booleans()):
        made.initialise()
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=10)):
        made.step(kind)
    for name in made.names:  # each is assigned somewhere, or it could not be read
        made.model.operator("ASSIGN_VARIABLE", [made.handle(name), made.value()], [])
    made.step("ADD")
    outputs = draw(st.lists(st.sampled_from(made.values[2:]), min_size=1, max_size=3, unique=True))
    return made.model.build([made.source], outputs)


STATEFUL = {"svdf": svdf(), "lstm": lstm(), "resources": resources()}


class Streaming:
    """A network that takes in a few frames an inference and keeps rings of what layers still need, as published
    streaming wake words do: READ_VARIABLE, CONCATENATION, STRIDED_SLICE, ASSIGN_VARIABLE.

    Tensors are (1, time, 1, channels). CALL_ONCE starts every ring from a constant.
    """

    def __init__(self, seed: int) -> None:
        self.rng, self.model = np.random.default_rng(seed), Tflite()
        self.model.operator("CALL_ONCE", [], [], table="CallOnceOptions", initSubgraphIndex=1)
        self.other = self.model.other()
        self.rings = 0

    def tensor(self, time: int, channels: int, edge: dict[str, Any]) -> int:
        return self.model.tensor((1, time, 1, channels), **edge)

    def ring(self, source: int, time: int, kept: int, channels: int, edge: dict[str, Any]) -> int:
        """The newest `time` frames behind the `kept` that came before them."""
        name, axis = f"stream_{self.rings}", {"table": "ConcatenationOptions", "axis": 1}
        self.rings += 1
        first = np.full((1, kept, 1, channels), edge["zero_point"]) + self.rings % 2
        still = self.other.tensor(first.shape, **edge, data=first)
        self.other.operator("ASSIGN_VARIABLE", [self.other.handle(name), still], [])
        handle, old = self.model.handle(name), self.tensor(kept, channels, edge)
        self.model.operator("READ_VARIABLE", [handle], [old])
        window = self.tensor(kept + time, channels, edge)
        self.model.operator("CONCATENATION", [old, source], [window], **axis)
        new = self.tensor(kept, channels, edge)
        places = [self.model.tensor((4,), "int32", data=v) for v in ([0, time, 0, 0], [0] * 4, [1] * 4)]
        self.model.operator(
            "STRIDED_SLICE", [window, *places], [new], table="StridedSliceOptions", endMask=15, beginMask=13
        )
        self.model.operator("ASSIGN_VARIABLE", [handle, new], [])
        return window

    def convolution(self, source: int, channels: int, filters: int, taps: int, edge: dict[str, Any]) -> int:
        """All taps at once: (1, taps, 1, channels) to (1, 1, 1, filters), by channel where filters are as many."""
        deep = filters == channels and taps > 1
        shape = (1, taps, 1, channels) if deep else (filters, taps, 1, channels)
        weights = self.model.tensor(shape, scale=0.006, data=self.rng.integers(-127, 128, shape))
        bias = self.model.tensor((filters,), "int32", scale=0.0006, data=self.rng.integers(-3000, 3000, filters))
        made = self.tensor(1, filters, edge)
        kind = ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions") if deep else ("CONV_2D", "Conv2DOptions")
        fields = {
            "padding": PADDING["VALID"],
            "strideH": 1,
            "strideW": 1,
            "fusedActivationFunction": ACTIVATIONS["RELU"],
        }
        if deep:
            fields["depthMultiplier"] = 1
        self.model.operator(kind[0], [source, weights, bias], [made], table=kind[1], **fields)
        return made


def wake_word(seed: int = 5, channels: int = 10) -> bytes:
    """Three frames of features in; a convolution, mixed depthwise ones over 3 and 5 frames, and a score in uint8."""
    made = Streaming(seed)
    model, edge, found = made.model, {"scale": 0.1, "zero_point": -20}, {"scale": 0.15, "zero_point": -128}
    frames = model.tensor((1, 3, channels), **edge, name="features")
    source = made.tensor(3, channels, edge)
    shape = model.tensor((4,), "int32", data=[1, 3, 1, channels])
    model.operator("RESHAPE", [frames, shape], [source], table="ReshapeOptions", newShape=[1, 3, 1, channels])
    first = made.convolution(made.ring(source, 3, 2, channels, edge), channels, 16, 5, found)
    parts = _split(model, first, (6, 10), found)
    mixed = [
        made.convolution(made.ring(part, 1, taps - 1, width, found), width, width, taps, found)
        for part, width, taps in zip(parts, (6, 10), (3, 5), strict=True)
    ]
    both = made.tensor(1, 16, found)
    model.operator("CONCATENATION", mixed, [both], table="ConcatenationOptions", axis=3)
    point = made.convolution(both, 16, 12, 1, found)
    window = made.ring(point, 1, 3, 12, found)
    flat, shape = model.tensor((1, 48), **found), model.tensor((2,), "int32", data=[1, 48])
    model.operator("RESHAPE", [window, shape], [flat], table="ReshapeOptions", newShape=[1, 48])
    score = _dense(model, made.rng, flat, 48, 1, {"scale": 0.05, "zero_point": 3}, 0.0008)
    sure, output = model.tensor((1, 1), scale=1 / 256, zero_point=-128), model.tensor((1, 1), "uint8", scale=1 / 256)
    model.operator("LOGISTIC", [score], [sure])
    model.operator("QUANTIZE", [sure], [output], table="QuantizeOptions")
    return model.build([frames], [output])


def _split(model: Tflite, source: int, widths: tuple[int, ...], edge: dict[str, Any]) -> list[int]:
    """SPLIT_V along the channels."""
    parts = [model.tensor((1, 1, 1, width), **edge) for width in widths]
    sizes = model.tensor((len(widths),), "int32", data=widths)
    axis = model.tensor((), "int32", data=np.array(3))
    model.operator("SPLIT_V", [source, sizes, axis], parts, table="SplitVOptions", numSplits=len(widths))
    return parts


def delay_line(seed: int = 5, channels: int = 10, frames: int = 4) -> bytes:
    """A streaming network without slices: each inference takes in a frame, and three resources keep the last three.

    A second layer keeps what the first found last time. CALL_ONCE starts the frames from the zero point.
    """
    rng, model = np.random.default_rng(seed), Tflite()
    edge = {"scale": 0.1, "zero_point": -20}
    found = {"scale": 0.2, "zero_point": -128}
    source = model.tensor((1, 1, channels), **edge, name="frame")
    model.operator("CALL_ONCE", [], [], table="CallOnceOptions", initSubgraphIndex=1)
    other = model.other()
    handles = [model.handle(f"frame {i}") for i in range(frames - 1)]
    for i in range(frames - 1):
        still = other.tensor((1, 1, channels), **edge, data=np.full((1, 1, channels), edge["zero_point"] + i))
        other.operator("ASSIGN_VARIABLE", [other.handle(f"frame {i}"), still], [])
    old = [model.tensor((1, 1, channels), **edge) for _ in handles]
    for handle, value in zip(handles, old, strict=True):
        model.operator("READ_VARIABLE", [handle], [value])
    window = model.tensor((1, frames, channels), **edge)
    model.operator("CONCATENATION", [*old, source], [window], table="ConcatenationOptions", axis=1)
    for handle, value in zip(handles, [*old[1:], source], strict=True):
        model.operator("ASSIGN_VARIABLE", [handle, value], [])
    first = _dense(model, rng, window, frames * channels, 12, found)
    last_time = model.handle("found")
    before, both = model.tensor((1, 12), **found), model.tensor((1, 24), **found)
    model.operator("READ_VARIABLE", [last_time], [before])
    model.operator("CONCATENATION", [before, first], [both], table="ConcatenationOptions", axis=1)
    model.operator("ASSIGN_VARIABLE", [last_time, first], [])
    score = _dense(model, rng, both, 24, 1, {"scale": 0.05, "zero_point": 3})
    output = model.tensor((1, 1), scale=1 / 256, zero_point=-128)
    model.operator("LOGISTIC", [score], [output])
    return model.build([source], [output])


def _dense(
    model: Tflite,
    rng: np.random.Generator,
    source: int,
    inputs: int,
    outputs: int,
    edge: dict[str, Any],
    scale: float = 0.004,
) -> int:
    weights = model.tensor((outputs, inputs), scale=scale, data=rng.integers(-127, 127, (outputs, inputs)))
    bias = model.tensor((outputs,), "int32", scale=scale / 10, data=rng.integers(-5000, 5000, outputs))
    made = model.tensor((1, outputs), **edge)
    model.operator("FULLY_CONNECTED", [source, weights, bias], [made], table="FullyConnectedOptions")
    return made
