"""hypothesis strategies for models that keep state: SVDF, LSTM, and operators that read and assign resources."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from fakes.operator_models import scales, seeds, zero_points
from fakes.tflite import ACTIVATIONS, Tflite

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


class Resources:
    """A model whose tensors all have one shape and quantisation, so that any may be assigned to any resource."""

    def __init__(self, draw: Any) -> None:
        self.draw, self.model = draw, Tflite()
        self.shape = (1, draw(st.integers(1, 20)))
        self.edge = {"scale": 0.5, "zero_point": draw(st.sampled_from([0, -128, 5]))}
        self.rng = np.random.default_rng(draw(seeds))
        self.names = [f"r{i}" for i in range(draw(st.integers(1, 3)))]
        self.source = self.model.tensor(self.shape, **self.edge)
        self.values = [self.source, self.constant(self.model)]
        self.handles: dict[str, int] = {}

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
        made = self.model.tensor(self.shape, **self.edge)
        if kind == "READ":
            self.model.operator("READ_VARIABLE", [self.handle(self.draw(st.sampled_from(self.names)))], [made])
        elif kind == "ADD":
            self.model.operator("ADD", [self.value(), self.value()], [made], table="AddOptions")
        else:
            wanted = self.model.tensor((2,), "int32", data=self.shape)
            table = {"table": "ReshapeOptions", "newShape": list(self.shape)}
            self.model.operator("RESHAPE", [self.value(), wanted], [made], **table)
        self.values.append(made)


@st.composite
def resources(draw: Any) -> bytes:
    """Reads, assignments, additions and reshapes in any order: each way of sharing storage with state occurs."""
    made = Resources(draw)
    if draw(st.booleans()):
        made.initialise()
    for kind in draw(st.lists(st.sampled_from(["READ", "READ", "ASSIGN", "ASSIGN", "ADD", "RESHAPE"]), max_size=9)):
        made.step(kind)
    for name in made.names:  # each is assigned somewhere, or it could not be read
        made.model.operator("ASSIGN_VARIABLE", [made.handle(name), made.value()], [])
    made.step("ADD")
    outputs = draw(st.lists(st.sampled_from(made.values[2:]), min_size=1, max_size=3, unique=True))
    return made.model.build([made.source], outputs)


STATEFUL = {"svdf": svdf(), "lstm": lstm(), "resources": resources()}


def wake_word(seed: int = 5, channels: int = 10, frames: int = 4) -> bytes:
    """A streaming network: each inference takes in one frame and looks at the last four, kept in three resources.

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
    model: Tflite, rng: np.random.Generator, source: int, inputs: int, outputs: int, edge: dict[str, Any]
) -> int:
    weights = model.tensor((outputs, inputs), scale=0.004, data=rng.integers(-127, 127, (outputs, inputs)))
    bias = model.tensor((outputs,), "int32", scale=0.0004, data=rng.integers(-5000, 5000, outputs))
    made = model.tensor((1, outputs), **edge)
    model.operator("FULLY_CONNECTED", [source, weights, bias], [made], table="FullyConnectedOptions")
    return made
