"""Bad input, kind by kind: an error that names what is wrong, within a time and within 1 GB of memory."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fakes.limited import compile_limited
from fakes.tflite import Tflite, dense, schema

pytestmark = pytest.mark.build
ONE_FILE_S = 30  # what the largest may take on a busy machine


def changed(change: Callable[[Tflite], object]) -> list[bytes]:
    model = dense()
    change(model)
    return [model.build([0], [3])]


def tensor(index: int, **fields: object) -> Callable[[Tflite], None]:
    return lambda model: [setattr(model.graph.tensors[index], *item) for item in fields.items()] and None


def scale(value: float) -> Callable[[Tflite], None]:
    def change(model: Tflite) -> None:
        model.graph.tensors[1].quantization.scale = np.array([value], dtype=np.float32)

    return change


def operator(**fields: object) -> Callable[[Tflite], None]:
    return lambda model: [setattr(model.graph.operators[0], *item) for item in fields.items()] and None


def custom(model: Tflite) -> None:
    code = model.model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = "my-op"


def outside(model: Tflite) -> None:
    model.model.buffers[1].data = None
    model.model.buffers[1].offset, model.model.buffers[1].size = 1 << 40, 1 << 30


def float_dense(weights: str) -> list[bytes]:
    model = Tflite()
    source = model.tensor((1, 4), "float32")
    quantised = {"scale": 0.25} if weights == "int8" else {}
    constant = model.tensor((3, 4), weights, data=np.ones((3, 4)), **quantised)
    output = model.tensor((1, 3), "float32")
    model.operator("FULLY_CONNECTED", [source, constant, -1], [output], table="FullyConnectedOptions")
    return [model.build([source], [output])]


def truncated() -> list[bytes]:
    whole = dense().build([0], [3])
    return [whole[:length] for length in range(0, len(whole), 41)]


def flipped() -> list[bytes]:
    whole, rng = dense().build([0], [3]), random.Random(4)  # noqa: S311
    found = []
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(3):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        found.append(bytes(data))
    return found


def chain(count: int) -> list[bytes]:
    model = Tflite()
    tensors = [model.tensor((1, 64), scale=0.1) for _ in range(count + 1)]
    for before, after in itertools.pairwise(tensors):
        model.operator("ADD", [before, before], [after], table="AddOptions")
    return [model.build(tensors[:1], tensors[-1:])]


def mesh(count: int) -> list[bytes]:
    """Hundreds of tensors that are all live at once, added up by pairs."""
    model = Tflite()
    source = model.tensor((1, 17), scale=0.1)

    def add(a: int, b: int) -> int:
        total = model.tensor((1, 17), scale=0.1)
        model.operator("ADD", [a, b], [total], table="AddOptions")
        return total

    layer = [add(source, source) for _ in range(count)]
    while len(layer) > 1:
        layer = [add(layer[i], layer[-1 - i]) for i in range((len(layer) + 1) // 2)]
    return [model.build([source], layer)]


def largest_weights() -> list[bytes]:
    """Nearly all of a file of the largest size that is read."""
    model = Tflite()
    source = model.tensor((1, 4, 4, 256), scale=0.1)
    filters = 15 * (1 << 20) // (9 * 256)
    data = np.random.default_rng(1).integers(-127, 127, (filters, 3, 3, 256), dtype=np.int8)
    weights = model.tensor(data.shape, scale=0.01, data=data)
    output = model.tensor((1, 4, 4, filters), scale=0.1)
    sides = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    model.operator("CONV_2D", [source, weights, -1], [output], table="Conv2DOptions", padding=0, **sides)
    return [model.build([source], [output])]


def largest_tensors() -> list[bytes]:
    """Each as large as is read, in operators that make tables of their inputs."""
    model = Tflite()
    shape = (1, 1 << 13, 1 << 13)
    tensors = [model.tensor(shape, scale=1 / 256, zero_point=-128) for _ in range(4)]
    for before, after in itertools.pairwise(tensors):
        model.operator("LOGISTIC", [before], [after])
    return [model.build(tensors[:1], tensors[-1:])]


# What the files are, and what is said of each of them; "compiled" where that is right, too.
ANY = r"compiled|bad-\d+\.tflite: .+"
BAD: dict[str, tuple[Callable[[], list[bytes]], str]] = {
    "truncated": (truncated, ANY),
    "bit-flipped": (flipped, ANY),
    "a negative shape": (lambda: changed(tensor(0, shape=[1, -4])), r"shape \(1, -4\) is dynamic or empty"),
    "a huge shape": (lambda: changed(tensor(0, shape=[1, 2**31 - 1, 2**31 - 1])), "elements, at most"),
    "a huge shape that is allowed": (lambda: changed(tensor(0, shape=[1 << 24, 4])), ANY),
    "a cyclic graph": (lambda: changed(operator(inputs=[3, 1, 2])), "before it is made: the graph is cyclic"),
    "a scale of zero": (lambda: changed(scale(0.0)), "tensor 1 'weights': scale is 0, it must be finite"),
    "a scale that is no number": (lambda: changed(scale(float("nan"))), "scale is nan"),
    "a denormal scale": (lambda: changed(scale(1e-40)), "scale is 9.99995e-41, .* not denormal"),
    "a missing buffer": (lambda: changed(tensor(1, buffer=77)), "its buffer 77 does not exist"),
    "an empty buffer": (lambda: changed(tensor(1, buffer=0)), "before it is made: .* or a buffer is missing"),
    "a buffer outside the file": (lambda: changed(outside), "lies outside the flatbuffer"),
    "a custom operator": (lambda: changed(custom), "custom operator 'my-op' is not supported"),
    "a dynamic shape": (lambda: changed(tensor(0, shapeSignature=[1, -1])), r"shape \(1, -1\) is dynamic"),
    "a float-only model": (lambda: float_dense("float32"), "is a float-only model"),
    "a hybrid model": (lambda: float_dense("int8"), "is a hybrid .* model|int8 weights, float32 activations"),
    "the most operators in a row": (lambda: chain(1020), "compiled"),
    "more operators than are read": (lambda: chain(1030), "1,030 operators, at most 1,024"),
    "the most tensors at once": (lambda: mesh(505), "compiled"),
    "the largest weights": (largest_weights, "compiled"),
    "the largest tensors": (largest_tensors, "compiled"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict]]:
    """All files go through one process, whose memory is limited."""
    folder, names = tmp_path_factory.mktemp("bad"), []
    for name, (make, _) in BAD.items():
        for data in make():
            (folder / f"bad-{len(names)}.tflite").write_bytes(data)
            names.append(name)
    paths = [folder / f"bad-{number}.tflite" for number in range(len(names))]
    found: dict[str, list[dict]] = {name: [] for name in BAD}
    for name, outcome in zip(names, compile_limited(paths, timeout_s=4 * ONE_FILE_S), strict=True):
        found[name].append(outcome)
    return found


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named_in_time_and_in_memory(name: str, outcomes: dict[str, list[dict]]) -> None:
    assert outcomes[name]
    for outcome in outcomes[name]:
        assert re.search(BAD[name][1], outcome["outcome"]), outcome
        assert outcome["seconds"] < ONE_FILE_S


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bad-0.tflite"
    with path.open("wb") as stream:
        stream.truncate(1 << 34)
    (found,) = compile_limited([path], timeout_s=ONE_FILE_S)
    assert "larger than" in found["outcome"]
