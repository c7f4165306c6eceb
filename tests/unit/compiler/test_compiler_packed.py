"""What the kernels for cores with the DSP extension read, and the C that stands beside their assembly."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from fakes.compiled import compile_bytes, compile_special, input_vectors, random_inputs, run_compiled
from fakes.operator_models import OPERATORS
from fakes.tflite import Tflite
from tinyops.compiler.fixed_point import Multiplier, multiply
from tinyops.compiler.ops.packed import Packed, filter_pairs, packed_weights

WEIGHTED = ["conv_2d", "depthwise_conv_2d", "fully_connected"]


def convolution(weight_scales: list[float], bias: list[int], out_scale: float = 0.05, dilation: int = 1) -> bytes:
    """A 3x3 convolution of 5 channels to two filters."""
    rng = np.random.default_rng(3)
    model = Tflite()
    source = model.tensor((1, 7, 6, 5), scale=0.02, zero_point=-7)
    weights = rng.integers(-127, 128, (2, 3, 3, 5))
    kernel = model.tensor((2, 3, 3, 5), scale=np.array(weight_scales, np.float32), data=weights)
    offsets = model.tensor((2,), "int32", scale=np.array(weight_scales, np.float32) * np.float32(0.02), data=bias)
    output = model.tensor((1, 7, 6, 2), scale=out_scale, zero_point=3)
    options = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": dilation, "dilationWFactor": dilation}
    model.operator("CONV_2D", [source, kernel, offsets], [output], table="Conv2DOptions", **options)
    return model.build([source], [output])


def functions(compiled):
    return [call.function for low in compiled.lowered for call in low.calls]


def test_filters_lie_in_pairs_with_their_constants():
    filters = np.arange(1, 28).reshape(3, 9).astype(np.int8)
    found = filter_pairs(Packed(filters, np.array([7, 8, 9]), np.array([1 << 30]), np.array([5])))
    first, second = found.reshape(2, 2 + 2 * 4 + 3)
    assert first[:2].tolist() == [7, 8]
    values = first[2:10].astype("<i4").view(np.int8).reshape(4, 2, 4)
    assert values[:, 0].reshape(-1).tolist() == [*range(1, 10), *[0] * 7]
    assert values[:, 1].reshape(-1).tolist() == [*range(10, 19), *[0] * 7]
    assert first[10:].tolist() == [1 << 30, 1 << 30, 5 | 5 << 8]
    assert second[:2].tolist() == [9, 0]
    assert not second[2:10].astype("<i4").view(np.int8).reshape(4, 2, 4)[:, 1].any()
    assert second[12] == 5 | 1 << 8, "a shift that the kernel can do"


def test_outputs_lie_in_fours():
    words = packed_weights(np.arange(5 * 3).reshape(5, 3).astype(np.int8), 4)
    assert words.shape == (8 * 2,)
    values = words.astype("<i4").view(np.int8).reshape(2, 2, 4, 4)  # fours, steps, outputs, values
    assert values[0, 0].tolist() == [[0, 1, 2, 0], [3, 4, 5, 0], [6, 7, 8, 0], [9, 10, 11, 0]]
    assert not values[0, 1].any()
    assert values[1, 0].tolist() == [[12, 13, 14, 0], *[[0] * 4] * 3]


@pytest.mark.parametrize("cpu", ["x86-64", "aarch64"])
def test_cores_without_the_extension_keep_the_plain_kernel(cpu):
    assert functions(compile_special(convolution([0.01, 0.02], [5, -5]), cpu)) == ["tinyops_conv_2d"]


@pytest.mark.parametrize("cpu", ["cortex-m0", "cortex-m0plus"])
def test_cores_whose_multiplier_is_all_they_have(cpu):
    assert functions(compile_special(convolution([0.01, 0.02], [5, -5]), cpu)) == ["tinyops_conv_2d_lanes"]


@pytest.mark.parametrize("cpu", ["cortex-m4f", "cortex-m7", "cortex-m33"])
def test_cores_with_the_extension(cpu):
    assert functions(compile_special(convolution([0.01, 0.02], [5, -5]), cpu)) == ["tinyops_conv_2d_packed"]


def test_a_channel_that_never_changes_becomes_zeros():
    """As converters leave dead channels: a scale near nothing, and a bias clipped at 2^30."""
    compiled = compile_special(convolution([0.01, 2.0**-36], [5, 1 << 30]), "cortex-m4f")
    assert functions(compiled) == ["tinyops_conv_2d_packed"]
    words = next(c for c in compiled.lowered[0].constants if c.name == "weights").values
    assert not words[2:-3].reshape(-1, 2)[:, 1].any()
    acc, factor = int(words[1]), Multiplier(int(words[-2]), -int(words[-1] >> 8))
    assert multiply(acc, factor) == 0, "2^30 times 2^-36 x 0.02 / 0.05"


@pytest.mark.parametrize(
    ("scales", "bias", "out_scale"),
    [
        ([0.01], [1 << 30, 5], 1e4),  # an accumulator beyond the kernel's range
        ([0.5, 0.9], [3, 5], 0.001),  # factors above 1: a shift to the left
    ],
)
def test_what_is_out_of_range_keeps_the_plain_kernel(scales, bias, out_scale):
    assert functions(compile_special(convolution(scales, bias, out_scale), "cortex-m4f")) == ["tinyops_conv_2d"]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not on PATH")
@pytest.mark.parametrize(
    ("scales", "bias", "dilation"),
    [([0.01, 0.02], [500, -500], 1), ([0.01, 0.02], [500, -500], 2), ([0.01, 2.0**-36], [5, 1 << 30], 1)],
)
def test_packed_convolution_equals_the_plain_one(scales, bias, dilation):
    model = convolution(scales, bias, dilation=dilation)
    plain, packed = compile_bytes(model), compile_special(model, "cortex-m4f")
    vectors = input_vectors(plain, random_inputs(plain, 4, seed=2))
    assert functions(plain) != functions(packed)
    assert run_compiled(packed, vectors) == run_compiled(plain, vectors)


def depthwise(height: int, width: int) -> bytes:
    """A 3x3 depthwise convolution of 2 channels, output of the input's shape."""
    rng = np.random.default_rng(height * 100 + width)
    model = Tflite()
    source = model.tensor((1, height, width, 2), scale=0.02, zero_point=-7)
    weights = model.tensor((1, 3, 3, 2), scale=0.01, data=rng.integers(-127, 128, (1, 3, 3, 2)))
    bias = model.tensor((2,), "int32", scale=0.0002, data=[500, -500])
    output = model.tensor((1, height, width, 2), scale=0.05, zero_point=3)
    options = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    table = {"table": "DepthwiseConv2DOptions", "depthMultiplier": 1}
    model.operator("DEPTHWISE_CONV_2D", [source, weights, bias], [output], **table, **options)
    return model.build([source], [output])


@pytest.mark.parametrize(
    ("height", "width", "by_columns"), [(25, 5, True), (7, 4, False), (6, 6, False), (4, 1, True), (1, 4, False)]
)
def test_narrow_images_are_taken_by_columns(height, width, by_columns):
    compiled = compile_special(depthwise(height, width), "cortex-m4f")
    (call,) = compiled.lowered[0].calls
    steps = {"value": 2, "row": 2 * width}
    wanted = {"value": steps["row"], "row": steps["value"]} if by_columns else steps
    assert (call.params["input"], call.params["output"]) == (wanted, wanted)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not on PATH")
@pytest.mark.parametrize("height", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_lines_of_any_length_equal_the_plain_kernel(height, width):
    """Odd ones end in an output that is computed apart, in or beside the image's last value."""
    model = depthwise(height, width)
    plain, packed = compile_bytes(model), compile_special(model, "cortex-m4f")
    vectors = input_vectors(plain, random_inputs(plain, 2, seed=3))
    assert functions(packed) == ["tinyops_depthwise_3x3"]
    assert run_compiled(packed, vectors) == run_compiled(plain, vectors)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not on PATH")
@pytest.mark.parametrize("name", WEIGHTED)
def test_packed_operator_equals_the_plain_one(name):
    differs = []

    @settings(max_examples=4, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(model=OPERATORS[name])
    def compare(model):
        plain, packed = compile_bytes(model), compile_special(model, "cortex-m4f")
        vectors = input_vectors(plain, random_inputs(plain, 3, seed=2))
        differs.append(functions(plain) != functions(packed))
        assert run_compiled(packed, vectors) == run_compiled(plain, vectors)

    compare()
