"""HARD_SWISH in the interpreter's arithmetic, which has 16 bits: x times a factor that rises from 0 at -3 to 1 at 3."""

from __future__ import annotations

from collections.abc import Callable

from tinyops.compiler.fixed_point import Multiplier, float32, quantise_multiplier, rounding_shift
from tinyops.compiler.view import OperatorView

INT16_MIN, INT16_MAX = -(2**15), 2**15 - 1
HIGH_BITS = 7  # an input value is brought to the upper bits of an int16
FACTOR_SCALE = float32(3 / 32768)  # at which the slope is computed: 3 is just above the largest int16


def _saturate(value: int) -> int:
    return min(max(value, INT16_MIN), INT16_MAX)


def _high_mul(a: int, b: int) -> int:
    """Upper half of 2ab, rounded to nearest, halves up."""
    return _saturate((a * b + (1 << 14)) >> 15)


def _narrow(factor: Multiplier) -> int:
    """A multiplier's upper 16 bits, rounded."""
    return min((factor.multiplier + (1 << 15)) >> 16, INT16_MAX)


def hard_swish(view: OperatorView) -> Callable[[int], int]:
    """From a value of the input to one of the output, which is not clamped to int8 yet."""
    source, output = view.tensor(0), view.output
    high_scale = float32(source.scale / (1 << HIGH_BITS))
    to_output = quantise_multiplier(float32(high_scale / output.scale))
    to_factor = quantise_multiplier(float32(high_scale / FACTOR_SCALE))

    def function(value: int) -> int:
        high = (value - source.zero_point) << HIGH_BITS
        on_output = _high_mul(high, _narrow(to_output))
        rise = (_rise(high, to_factor) + (1 << 15)) >> 1
        product = rise * on_output
        truncated = (abs(product) >> 15) * (1 if product >= 0 else -1)
        return rounding_shift(truncated, -to_output.shift) + output.zero_point

    return function


def _rise(high: int, factor: Multiplier) -> int:
    """The input over 3, as Q0.15, saturated: the last bit of a left shift comes after the multiplication."""
    if factor.shift > 0:
        early = _saturate(high << (factor.shift - 1))
        return _saturate(_high_mul(early, _narrow(factor)) << 1)
    return rounding_shift(_high_mul(high, _narrow(factor)), -factor.shift)
