"""int16 activations: scaling without 64 bits against the interpreter's formula, how filters lie, which are constant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.tflite import Tflite
from tinyops.compiler.constraints import first_broken
from tinyops.compiler.fixed_point import quantise_multiplier, reduce_multiplier
from tinyops.compiler.ops import INT16, kind_of
from tinyops.compiler.ops.int16 import activation_range_int16
from tinyops.compiler.ops.int16_weighted import filters_of, grouped, paired
from tinyops.compiler.overlap import overlaps_of
from tinyops.compiler.view import OperatorView
from tinyops.graph import Quantisation, Tensor, parse_graph
from tinyops.squeeze.quantise import OF_INT16


def dense(weights, bias, *, weight_scales=(0.01,), output_scale=2.0**-12, dtype="int16") -> OperatorView:
    """A FULLY_CONNECTED of one row."""
    values = np.array(weights)
    model = Tflite()
    source = model.tensor((1, values.shape[1]), dtype, scale=2.0**-12)
    inputs = [
        source,
        model.tensor(values.shape, scale=weight_scales, data=values),
        model.tensor((len(values),), "int64", data=bias),
    ]
    output = model.tensor((1, len(values)), dtype, scale=output_scale)
    model.operator("FULLY_CONNECTED", inputs, [output], table="FullyConnectedOptions")
    graph = parse_graph(model.build([source], [output]), "m")
    return OperatorView(graph, graph.operators[0])


@given(st.integers(-(2**31) + 1, 2**31 - 1), st.integers(0, 2**15 - 1), st.integers(17, 46))
def test_dropping_the_lowest_bits_first_is_the_same(acc: int, multiplier: int, shift: int) -> None:
    """What tinyops_requantise_wide does, in its two steps."""
    wanted = (acc * multiplier + (1 << (shift - 1))) >> shift
    high = (acc >> 16) * multiplier + ((acc & 0xFFFF) * multiplier >> 16)
    assert -(2**31) <= high < 2**31
    assert ((high >> (shift - 17)) + 1) >> 1 == wanted


@given(st.floats(2.0**-31, 100))
def test_a_factor_keeps_fifteen_bits(real: float) -> None:
    multiplier, shift = reduce_multiplier(real)
    assert 2**14 <= multiplier < 2**15
    assert multiplier / 2.0**shift == pytest.approx(real, rel=2.0**-14)


def test_a_factor_of_almost_a_power_of_two_does_not_become_one_too_many() -> None:
    real = 1 - 2.0**-20
    assert quantise_multiplier(real).multiplier >= 0x7FFF0000
    assert reduce_multiplier(real) == (0x7FFF, 15)


def test_filters_lie_by_fours_with_128_added_and_by_pairs_of_steps() -> None:
    rows = np.arange(15).reshape(3, 5) - 7
    by_fours = grouped(rows).reshape(1, 6, 4).astype(int) - 128
    assert by_fours[0, :5, :3].T.tolist() == rows.tolist()
    assert not by_fours[0, 5].any() and not by_fours[0, :, 3].any()
    by_pairs = paired(rows).reshape(2, 2, 2, 4)  # pairs, steps, filters, bytes
    assert by_pairs[0, 0, 1].tolist() == [-2, 0, -1, 1]  # values 0, 2, 1, 3 of the second filter
    assert by_pairs[0, 1, 0].tolist() == [-3, 0, 0, 0]
    assert by_pairs[1, 0, 0].tolist() == [3, 5, 4, 6] and not by_pairs[1, :, 1].any()


def test_a_filter_that_no_input_changes_becomes_zeros() -> None:
    """A bias of 41 bits, whose output saturates, and weights whose scale is absurd."""
    view = dense([[100, 3], [100, 3], [1, 1]], [2**40, 5, 2**33], weight_scales=(0.01, 0.01, 1e-9))
    found = filters_of(view, 0)
    assert found.rows.tolist() == [[0, 0], [100, 3], [0, 0]] and found.short
    multiplier, shift = int(found.multipliers[2]), int(found.shifts[2])
    wanted_multiplier, wanted_shift = reduce_multiplier(float(np.float32(1e-9)))
    wanted = (2**33 * wanted_multiplier + (1 << (wanted_shift - 1))) >> wanted_shift
    assert (int(found.bias[2]) * multiplier + (1 << (shift - 1))) >> shift == wanted == 9
    assert (int(found.bias[0]) * int(found.multipliers[0])) >> int(found.shifts[0]) > 32767


@pytest.mark.parametrize(
    ("bias", "scale", "function"),
    [
        (2**20, 2.0**-12, "tinyops_conv_2d_int16"),
        (2**31 - 2**15 * 200, 2.0**4, "tinyops_wide_sums"),  # one more than what 32 bits hold
        (2**31 - 2**15 * 200 - 1, 2.0**4, "tinyops_conv_2d_int16"),
        (0, 2.0**-17, "tinyops_wide_sums"),  # a factor above a quarter
    ],
)
def test_sums_of_64_bits_only_where_they_are_needed(bias: int, scale: float, function: str) -> None:
    view = dense([[100, -100]], [bias], output_scale=scale)
    kind = kind_of(view)
    assert kind is INT16["FULLY_CONNECTED"]
    assert kind.lower(view).calls[0].function == function


@pytest.mark.parametrize("bias", [2**63 - 1, -(2**63), 2**47])
def test_a_bias_of_64_bits_is_refused_however_small_its_factor(bias: int) -> None:
    """A sum of weights beyond it is past int64, and so is the magnitude of the least int64."""
    view = dense([[100, -100]], [bias], weight_scales=(1e-20,))
    found = filters_of(view, 0)
    assert found.largest == abs(bias) + 2**15 * 200 and not found.short
    broken = first_broken(view, INT16["FULLY_CONNECTED"].constraints)
    assert broken is not None and broken[1] == f"up to {found.largest:,}"


def test_an_output_over_its_input_counts_two_bytes_a_value() -> None:
    """A pointwise layer that reads its pixel until the last channel, as one of int8 with twice the channels."""
    view = dense([[1] * 4] * 8, [0] * 8)
    (call,) = INT16["FULLY_CONNECTED"].lower(view).calls
    assert call.params["pointwise"] == 1
    assert [o.distance for o in overlaps_of(call)] == [16]


def test_limits_of_fused_activations() -> None:
    output = Tensor(0, "t", (1, 4), "int16", Quantisation((2.0**-12,), (0,)))
    assert activation_range_int16("NONE", output) == (-32768, 32767)
    assert activation_range_int16("RELU", output) == (0, 32767)
    assert activation_range_int16("RELU6", output) == (0, 24576)
    assert activation_range_int16("RELU_N1_TO_1", output) == (-4096, 4096)


def test_what_the_quantiser_makes_int16_has_a_kernel_or_only_moves() -> None:
    assert set(OF_INT16) - set(INT16) == {"RESHAPE", "TRANSPOSE", "CONCATENATION"}


@pytest.mark.parametrize("scale", [1e3, 1e9, 1e30])
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_factor_that_no_shift_holds_is_refused(scale: float, outputs: int) -> None:
    """The fuzzer's find: weights so coarse that a product is shifted to the left."""
    scales = (scale,) if outputs == 1 else (scale, 0.01)
    view = dense([[1, 2]] * outputs, np.zeros(outputs, np.int64), weight_scales=scales)
    broken = first_broken(view, INT16["FULLY_CONNECTED"].constraints)
    assert broken is not None and broken[1].startswith("a factor of")
