"""Fixed-point arithmetic at its corners, and against real numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyops.compiler.fixed_point import (
    Multiplier,
    exp_on_negative,
    high_mul,
    logistic,
    multiply,
    one_over_one_plus,
    quantise_multiplier,
    round_half_away,
    rounding_shift,
)

INT32 = st.integers(-(2**31), 2**31 - 1)


def test_multipliers():
    assert quantise_multiplier(0.0) == Multiplier(0, 0)
    assert quantise_multiplier(1.0) == Multiplier(2**30, 1)
    assert quantise_multiplier(0.75) == Multiplier(3 * 2**29, 0)
    assert quantise_multiplier(1 - 2.0**-40) == Multiplier(2**30, 1)
    assert quantise_multiplier(2.0**-40) == Multiplier(0, 0)


@pytest.mark.parametrize(("value", "wanted"), [(2.5, 3), (-2.5, -3), (2.4, 2), (-0.5, -1), (0.0, 0)])
def test_halves_go_away_from_zero(value, wanted):
    assert round_half_away(value) == wanted


@given(INT32, st.integers(0, 31))
def test_rounding_shift_rounds_half_away(value, exponent):
    assert rounding_shift(value, exponent) == round_half_away(value / 2**exponent)


@given(INT32, st.integers(-(2**31) + 1, 2**31 - 1))
def test_high_mul_equals_the_shift_of_the_c_code(a, b):
    assert high_mul(a, b) == (a * b + 2**30) >> 31


@given(st.integers(-(2**20), 2**20), st.floats(1e-6, 100))
def test_multiply_is_close_to_the_real_product(value, factor):
    assert abs(multiply(value, quantise_multiplier(factor)) - value * factor) <= 1 + abs(value * factor) * 2**-29


@given(st.integers(-(2**31) + 1, 0))
def test_exponential(value):
    assert exp_on_negative(value, 5) / 2**31 == pytest.approx(math.exp(value / 2**26), abs=2e-6)


@given(st.integers(0, 2**31 - 1))
def test_reciprocal(value):
    assert one_over_one_plus(value) / 2**31 == pytest.approx(1 / (1 + value / 2**31), abs=1e-6)


@given(st.integers(-(2**31) + 1, 2**31 - 1))
def test_logistic(value):
    assert logistic(value, 4) / 2**31 == pytest.approx(1 / (1 + math.exp(-value / 2**27)), abs=2e-6)
