"""Limits of the arithmetic operators: what is refused, and by which sentence."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.compiled import compile_bytes
from fakes.tflite import Tflite
from tinyops.errors import SpecError


def refused(model: bytes, match: str) -> None:
    with pytest.raises(SpecError, match=match):
        compile_bytes(model)


def one(name: str, scale: float = 0.1, zero_point: int = 3, out: tuple[float, int] = (0.1, 3), **options: Any) -> bytes:
    model = Tflite()
    source = model.tensor((1, 8), scale=scale, zero_point=zero_point)
    output = model.tensor((1, 8), scale=out[0], zero_point=out[1])
    model.operator(name, [source], [output], **options)
    return model.build([source], [output])


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (one("TANH"), "scale 1/128 and zero point 0; here: scale 0.1, zero point 3"),
        (one("TANH", 16.0, out=(1 / 128, 0)), "the input's scale lies between 2\\^-27 and 8; here: 16"),
        (one("RELU6", out=(0.2, 3)), "share scale and zero point"),
        (one("RELU", 1e8, out=(1e-3, 0)), "below 2\\^20 times the output's; here: 1e\\+11 times"),
        (one("ELU", 1e-20), "between 2\\^-30 and 2\\^30; here: tensor 0 't0' has 1e-20"),
        (one("RSQRT"), "no root of a negative number; here: zero point 3"),
        (one("HARD_SWISH", out=(20.0, 0)), "above 1/128 of the output's and below 127 times it; here: 0.005 times"),
        (one("LEAKY_RELU", table="LeakyReluOptions", alpha=float("nan")), "here: alpha is nan"),
        (one("LEAKY_RELU", table="LeakyReluOptions", alpha=float("-inf")), "here: alpha is -inf"),
        (one("L2_NORMALIZATION", table="L2NormOptions"), "scale 1/128 and zero point 0"),
        (one("LOG_SOFTMAX", table="LogSoftmaxOptions"), "scale 16/256 and zero point 127"),
        (one("NEG"), "operator 0 NEG 't1': not supported"),  # of int8, the interpreter has none
    ],
)
def test_one_operand(model, match):
    refused(model, match)


def two(name: str, shapes: tuple[tuple[int, ...], ...], data: Any = None, scale: float = 0.1, **options: Any) -> bytes:
    model = Tflite()
    a = model.tensor(shapes[0], scale=scale)
    b = model.tensor(shapes[1], scale=0.1, data=data)
    output = model.tensor(shapes[2], scale=0.1)
    model.operator(name, [a, b], [output], **options)
    return model.build([a] if data is not None else [a, b], [output])


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (two("SUB", ((1, 3), (1, 2), (1, 3)), table="SubOptions"), "shapes agree or broadcast"),
        (two("SUB", ((1, 3), (1, 3), (1, 4)), table="SubOptions"), "shapes agree or broadcast"),
        (
            two("SUB", ((1, 3), (1, 3), (1, 3)), scale=1e6, table="SubOptions"),
            "2\\^19 times the output's; here: 1e\\+07",
        ),
        (two("MAXIMUM", ((2,), (2,), (2,)), scale=0.2), "share scale and zero point"),
        (two("PRELU", ((1, 1), (1, 3), (1, 3))), "the output has the input's shape"),
        (two("DIV", ((1, 3), (1, 3), (1, 3)), table="DivOptions"), "computed by the graph"),
        (
            two("DIV", ((3,), (3,), (3,)), [1, 0, 2], table="DivOptions"),
            "no divisor is zero; here: tensor 1 't1' has zeros",
        ),
        (two("DIV", ((3,), (3,), (3,)), [1, 1, 100], table="DivOptions"), "lies between 0 and 31; here: 19 to 33"),
        (two("BATCH_MATMUL", ((2, 3), (4, 3), (2, 4)), table="BatchMatMulOptions"), "matrices fit each other"),
        (two("BATCH_MATMUL", ((3,), (3,), (1,)), table="BatchMatMulOptions"), "operands have 2 to 4 dimensions"),
    ],
)
def test_two_operands(model, match):
    refused(model, match)


def reduced(name: str, axes: list[int], out: tuple[int, ...], dtype: str = "int8") -> bytes:
    model = Tflite()
    source = model.tensor((2, 3, 2, 3, 2, 3), scale=0.1)
    dimensions = model.tensor((len(axes),), "int32", data=axes)
    output = model.tensor(out, dtype, scale=0.1 if dtype == "int8" else None)
    table = "ReducerOptions" if dtype == "int8" else f"{name.title().replace('_', '')}Options"
    model.operator(name, [source, dimensions], [output], table=table)
    return model.build([source], [output])


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (reduced("SUM", [6], (2, 3, 2, 3, 2)), r"has these dimensions; here: dimensions \[6\] of 6"),
        (reduced("MEAN", [-7], (2, 3, 2, 3, 2)), r"has these dimensions; here: dimensions \[-7\] of 6"),
        (reduced("REDUCE_MAX", [0, 2, 4], (3, 3, 3)), "at most two groups of neighbours; here: 3 groups"),
        (reduced("REDUCE_MIN", [0], (2, 3, 2, 3, 2)), "input, dimensions and output agree"),
        (reduced("ARG_MAX", [0, 1], (2, 3, 2, 3), "int32"), r"along one dimension, .*; here: dimensions \[0, 1\] of 6"),
        (reduced("ARG_MIN", [6], (2, 3, 2, 3, 2), "int32"), r"along one dimension, .*; here: dimensions \[6\] of 6"),
        (reduced("ARG_MIN", [0], (2, 3, 2, 3, 2), "int32"), "input, dimension and output agree"),
    ],
)
def test_reductions(model, match):
    refused(model, match)


@pytest.mark.parametrize("pair", [("uint8", "uint8"), ("uint8", "int16"), ("int32", "int32"), ("float32", "uint8")])
def test_edges_that_the_interpreter_has_not(pair):
    model = Tflite()
    tensors = [model.tensor((1, 4), dtype, scale=None if dtype == "float32" else 0.1) for dtype in pair]
    model.operator("QUANTIZE", tensors[:1], tensors[1:], table="QuantizeOptions")
    refused(model.build(tensors[:1], tensors[1:]), f"it converts float32 to int8; .*; here: {pair[0]} to {pair[1]}")
