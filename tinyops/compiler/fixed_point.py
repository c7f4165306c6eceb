"""Fixed-point arithmetic as TensorFlow Lite Micro computes it: gemmlowp's, rounding twice.

These run at compile time, on Python's integers; runtime/include/tinyops/fixed_point.h is the same for
the device, and a test compares the two.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


@dataclass(frozen=True)
class Multiplier:
    """A real factor as multiplier x 2^(shift - 31); multiplier is 0 or in [2^30, 2^31)."""

    multiplier: int
    shift: int


def float32(value: float) -> float:
    """The nearest float32, which is what the interpreter stores; |value| is below 2^127."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def round_half_away(value: float) -> int:
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def quantise_multiplier(real: float) -> Multiplier:
    """The fixed-point form of a factor >= 0; a factor below 2^-32 becomes 0."""
    if real == 0:
        return Multiplier(0, 0)
    mantissa, shift = math.frexp(real)
    fixed = round_half_away(mantissa * 2.0**31)
    if fixed == 2**31:
        fixed //= 2
        shift += 1
    return Multiplier(0, 0) if shift < -31 else Multiplier(fixed, shift)


def reduce_multiplier(real: float) -> tuple[int, int]:
    """A factor as the interpreter scales sums of 64 bits: 15 bits of a multiplier, and a shift to the right."""
    factor = quantise_multiplier(real)
    reduced = min((factor.multiplier + (1 << 15)) >> 16, 0x7FFF)
    return reduced, 15 - factor.shift


def wrap_int32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def saturate_int32(value: int) -> int:
    return min(max(value, INT32_MIN), INT32_MAX)


def high_mul(a: int, b: int) -> int:
    """Upper half of 2ab, rounded half away from zero, saturated (SaturatingRoundingDoublingHighMul)."""
    if a == b == INT32_MIN:
        return INT32_MAX
    product = a * b
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    return nudged // 2**31 if nudged >= 0 else -(-nudged // 2**31)


def rounding_shift(value: int, exponent: int) -> int:
    """value / 2^exponent, rounded half away from zero (RoundingDivideByPOT)."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (1 if value < 0 else 0)
    return (value >> exponent) + (1 if value & mask > threshold else 0)


def multiply(value: int, factor: Multiplier) -> int:
    """value x factor, rounded twice (MultiplyByQuantizedMultiplier)."""
    left, right = max(factor.shift, 0), max(-factor.shift, 0)
    return rounding_shift(high_mul(wrap_int32(value << left), factor.multiplier), right)


def input_radius(integer_bits: int, left_shift: int) -> int:
    """Largest |input| whose scaled value a fixed-point number with these integer bits holds."""
    return math.floor(((1 << integer_bits) - 1) * 2.0 ** (31 - integer_bits) / 2.0**left_shift)


def saturating_left_shift(value: int, exponent: int) -> int:
    return saturate_int32(value << exponent)


# exp(-2^k) for k = -2..4, as Q0.31.
_EXP_TABLE = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)


def exp_on_negative(value: int, integer_bits: int) -> int:
    """exp of a number <= 0 with the given integer bits (at most 5), as Q0.31."""
    if value == 0:
        return INT32_MAX
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    within = (value & (quarter - 1)) - quarter
    result = _exp_in_quarter(saturating_left_shift(within, integer_bits))
    remainder = within - value
    for k, factor in zip(range(-2, integer_bits), _EXP_TABLE, strict=False):
        if remainder & (1 << (fraction_bits + k)):
            result = high_mul(result, factor)
    return result


def _exp_in_quarter(a: int) -> int:
    """exp of Q0.31 in [-1/4, 0): a Taylor series around -1/8."""
    constant, third = 1895147668, 715827883
    x = a + (1 << 28)
    x2 = high_mul(x, x)
    x3, x4 = high_mul(x2, x), high_mul(x2, x2)
    tail = rounding_shift(high_mul(rounding_shift(x4, 2) + x3, third) + x2, 1)
    return constant + high_mul(constant, x + tail)


def _two_over_one_plus(a: int) -> int:
    """2 / (1 + a) as Q2.29 for Q0.31 a in [0, 1], by three Newton steps."""
    half = (a + INT32_MAX + 1) // 2
    x = 1515870810 + high_mul(half, -1010580540)
    for _ in range(3):
        rest = (1 << 29) - high_mul(half, x)
        x += saturating_left_shift(high_mul(x, rest), 2)
    return x


def one_over_one_plus(a: int) -> int:
    """1 / (1 + a) for Q0.31 a in [0, 1]."""
    return saturating_left_shift(_two_over_one_plus(a), 1)


def logistic(value: int, integer_bits: int) -> int:
    """1 / (1 + exp(-value)), as Q0.31."""
    if value == 0:
        return 1 << 30
    positive = one_over_one_plus(exp_on_negative(-abs(value), integer_bits))
    return positive if value > 0 else INT32_MAX - positive


def tanh(value: int, integer_bits: int) -> int:
    """tanh(value), as Q0.31."""
    if value == 0:
        return 0
    exponential = exp_on_negative(-abs(value), integer_bits + 1)  # of twice the value: the same bits, one place up
    positive = saturating_left_shift(_two_over_one_plus(exponential) - (1 << 29), 2)
    return positive if value > 0 else -positive


def inverse_square_root(value: int) -> Multiplier:
    """1 / sqrt(value) for an int32 >= 0, by five Newton steps; 0 counts as 1."""
    if value <= 1:
        return Multiplier(INT32_MAX, 0)
    right = 11
    while value >= 1 << 29:
        value //= 4
        right += 1
    pairs = (31 - value.bit_length()) // 2 - 1
    right -= pairs
    x = 1 << 28  # 1.0 as Q3.28
    scaled = (value << 2 * pairs) >> 1
    half = rounding_shift(scaled, 1)
    for _ in range(5):
        cube = saturating_left_shift(high_mul(high_mul(x, x), x), 6)
        x = saturating_left_shift(high_mul((1 << 28) + (1 << 27), x) - high_mul(half, cube), 3)
    x = high_mul(x, 1518500250)  # sqrt(2) / 2
    return Multiplier(wrap_int32(x << -right), 0) if right < 0 else Multiplier(x, -right)
