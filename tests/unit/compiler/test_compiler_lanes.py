"""What the kernels for cores without the DSP extension read, and the C that stands beside their assembly."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.compiled import BASE, SANITIZED, compile_bytes, compile_special, input_vectors, random_inputs, run_compiled
from fakes.tflite import PADDING, Tflite
from tinyops.compiler.fixed_point import high_mul
from tinyops.compiler.ops.lanes import (
    BLOCKS,
    block_code,
    block_codes,
    filter_constants,
    filter_groups,
    lane_holds,
    output_eights,
    window_codes,
)
from tinyops.compiler.ops.packed import Packed
from tinyops.compiler.options import RUNTIME

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not on PATH")
HIGH_MULTIPLICATIONS = """#include <stdio.h>
#include "tinyops/kernels/packed.h"
int main(void) {
  long a, b;
  while (scanf("%ld %ld", &a, &b) == 2) {
    const long doubled = a < 1 << 29 && a >= -(1 << 29) && b >= 0 ? 2 * a : 0;
    printf("%ld %ld\\n", (long)tinyops_high_mul_32((int32_t)a, (int32_t)b),
           (long)tinyops_packed_high_mul_32((int32_t)doubled, b < 0 ? 0 : (int32_t)b));
  }
  return 0;
}
"""


def model_of(
    name: str, table: str, shapes: tuple[tuple[int, ...], ...], bias: int = 5, out_scale: float = 1.0, scales: int = 0
) -> bytes:
    """One weighted operator: shapes of input, weights and output; a scale for each channel unless told otherwise."""
    rng = np.random.default_rng(4)
    model = Tflite()
    axis = 3 if name.startswith("DEPTHWISE") else 0
    channels = shapes[1][axis]
    source = model.tensor(shapes[0], scale=0.02, zero_point=-7)
    weight_scales = np.full(scales or channels, 0.01, np.float32)
    weights = model.tensor(shapes[1], scale=weight_scales, axis=axis, data=rng.integers(-127, 128, shapes[1]))
    offsets = model.tensor((channels,), "int32", scale=weight_scales * np.float32(0.02), data=[bias] * channels)
    output = model.tensor(shapes[2], scale=out_scale, zero_point=3)
    sliding = {"padding": PADDING["SAME"], "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    options = {} if name == "FULLY_CONNECTED" else sliding
    model.operator(name, [source, weights, offsets], [output], table=table, **options)
    return model.build([source], [output])


def convolution(**given: Any) -> bytes:
    return model_of("CONV_2D", "Conv2DOptions", ((1, 5, 5, 3), (9, 3, 3, 3), (1, 5, 5, 9)), **given)


def depthwise(**given: Any) -> bytes:
    shapes = ((1, 5, 5, 4), (1, 3, 3, 4), (1, 5, 5, 4))
    return model_of("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", shapes, **given)


def dense(**given: Any) -> bytes:
    return model_of("FULLY_CONNECTED", "FullyConnectedOptions", ((2, 6), (9, 6), (2, 9)), **given)


KERNELS = {
    convolution: "tinyops_conv_2d_lanes",
    depthwise: "tinyops_depthwise_3x3_lanes",
    dense: "tinyops_fully_connected_eights",
}


def functions(compiled):
    return [call.function for low in compiled.lowered for call in low.calls]


@settings(deadline=None)
@given(st.lists(st.integers(-128, 127), min_size=1, max_size=6), st.integers(-128, 127))
def test_a_lane_holds_what_no_inputs_make_leave_16_bits(weights, value):
    """Checked with the extreme inputs for these weights, and with one value for all."""
    extremes = [[-128 if (w < 0) == low else 127 for w in weights] for low in (True, False)]
    sums = [sum(w * x for w, x in zip(weights, xs, strict=True)) for xs in (*extremes, [value] * len(weights))]
    holds = lane_holds(np.array(weights, np.int8))
    assert holds == all(abs(s) < 2**15 for s in sums[:2])
    assert not holds or abs(sums[2]) < 2**15


def test_a_sum_of_minus_2_to_the_15_is_too_much():
    """Half of 16 bits, but the lower lane's sign is added to the upper lane."""
    assert lane_holds(np.array([127, 127, 1], np.int8))
    assert not lane_holds(np.array([127, 127, 2], np.int8))


def test_blocks_are_as_long_as_lanes_and_the_filter_allow():
    assert BLOCKS == (2, 4, 8, 16)
    rows = {0: [0] * 16, 1: [127] * 16, 2: [63] * 16, 3: [31] * 16, 4: [15] * 16}
    assert block_codes(np.array(list(rows.values()), np.int8)) == list(rows)
    assert block_code(np.array([1] * 28, np.int8)) == 2, "28 values are no multiple of 8"
    assert block_code(np.array([-128] * 4, np.int8)) is None
    assert block_codes(np.array([[1] * 4, [-128] * 4], np.int8)) is None


def test_depthwise_channels_say_what_a_lane_holds():
    whole, columns, pairs = [28] * 9, [127, 1, 1] * 3, [127] * 9
    assert window_codes(np.array([whole, pairs], np.int8)) == [1, 3]
    assert window_codes(np.array(columns, np.int8).reshape(1, 3, 3).reshape(1, 9)) == [3]
    assert window_codes(np.array(columns, np.int8).reshape(3, 3).T.reshape(1, 9)) == [2]
    assert window_codes(np.full((1, 9), -128, np.int8)) is None


def test_filters_lie_in_eights():
    filters = np.arange(9 * 4).reshape(9, 4).astype(np.int8)
    first, second = filter_groups(filters).reshape(2, 4, 8)
    assert (filters[:8] == first.T).all()
    assert second[:, 0].tolist() == filters[8].tolist()
    assert not second[:, 1:].any()


def test_dense_weights_lie_by_inputs_above_zero():
    words = output_eights(np.array([[-128, 1], [127, 2]], np.int8))
    assert words.astype("<i4").view(np.uint8).tolist() == [0, 255, *[128] * 6, 129, 130, *[128] * 6]


def test_constants_of_filters():
    found = Packed(np.zeros((2, 4), np.int8), np.array([7, -8]), np.array([1 << 30]), np.array([5]))
    constants, shifts = filter_constants(found, [0, 4])
    assert constants.values.tolist() == [7, 1 << 30, -8, 1 << 30]
    assert shifts.values.tolist() == [40, 44]


@pytest.mark.parametrize("cpu", ["cortex-m0", "cortex-m0plus"])
@pytest.mark.parametrize("build", KERNELS)
def test_cores_without_the_extension(build, cpu):
    assert functions(compile_special(build(), cpu)) == [KERNELS[build]]


@pytest.mark.parametrize("build", KERNELS)
def test_what_is_out_of_range_keeps_the_plain_kernel(build):
    plain = functions(compile_bytes(build()))
    for beyond in ({"bias": 1 << 29, "scales": 1}, {"out_scale": 1e-5}):
        assert functions(compile_special(build(**beyond), "cortex-m0plus")) == plain


@needs_gcc
@pytest.mark.parametrize("build", KERNELS)
def test_kernel_equals_the_plain_one(build):
    plain, lanes = compile_bytes(build()), compile_special(build(), "cortex-m0plus")
    vectors = input_vectors(plain, random_inputs(plain, 4, seed=2))
    assert run_compiled(lanes, vectors) == run_compiled(plain, vectors)


@needs_gcc
def test_high_multiplications_from_products_of_32_bits(tmp_path):
    rng = np.random.default_rng(5)
    corners = [-(2**31), -(2**31) + 1, -(2**29), -65537, -65536, -32769, -32768, -1, 0, 1, 32767, 32768, 65535, 65536]
    corners += [2**29 - 1, 2**30, 2**31 - 65536, 2**31 - 1]
    pairs = [*itertools.product(corners, corners), *rng.integers(-(2**31), 2**31, (2000, 2)).tolist()]
    pairs = [(a, b) for a, b in pairs if (a, b) != (-(2**31), -(2**31))]
    (tmp_path / "main.c").write_text(HIGH_MULTIPLICATIONS)
    argv = ["gcc", *BASE, *SANITIZED, "-I", str(RUNTIME / "include"), "-o", "main", "main.c"]
    subprocess.run(argv, check=True, cwd=tmp_path)
    text = "\n".join(f"{a} {b}" for a, b in pairs)
    done = subprocess.run([tmp_path / "main"], input=text, capture_output=True, text=True, check=True)
    found = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    small = [a if -(2**29) <= a < 2**29 and b >= 0 else 0 for a, b in pairs]
    assert found == [(high_mul(a, b), high_mul(s, max(b, 0))) for (a, b), s in zip(pairs, small, strict=True)]
