"""Butterworth filters as biquads, and biquads as the integers that the device multiplies with.

The design is the textbook one: the analogue prototype's poles, moved to the corners, through the bilinear transform
with both corners prewarped. It runs once, where features.json is written; the integers in that file decide the bytes.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from typing import TypeAlias

# b0, b1, b2, a1, a2 of y = b0 x + b1 x[-1] + b2 x[-2] - a1 y[-1] - a2 y[-2]
Section: TypeAlias = tuple[float, ...]

COEFFICIENT_BITS = 30
COEFFICIENT_LIMIT = 2  # what 32 bits hold


def is_stable(section: Section) -> bool:
    """Whether both poles, as the device's integers have them, lie inside the unit circle."""
    one = 1 << COEFFICIENT_BITS
    a1, a2 = (_integer(c) for c in section[3:])
    return abs(a2) < one and abs(a1) < one + a2


def integer_sections(sections: Sequence[Section]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(_integer(c) for c in section) for section in sections)


def _integer(coefficient: float) -> int:
    scaled = round(coefficient * (1 << COEFFICIENT_BITS))
    return min(max(scaled, 1 - (1 << 31)), (1 << 31) - 1)


def butterworth(passes: str, order: int, corner_hz: Sequence[float], rate_hz: float) -> tuple[Section, ...]:
    """Sections of a low-, high-, band-pass or band-stop filter (`low`, `high`, `band`, `stop`).

    As usual a band filter of order n has 2n poles. Each section has gain 1 where the filter passes; those of a
    band filter share its gain evenly, which keeps coefficients small.
    """
    corners = [2 * math.tan(math.pi * f / rate_hz) for f in corner_hz]
    prototype = [cmath.exp(1j * math.pi * (2 * k + order + 1) / (2 * order)) for k in range(order)]
    poles = [p for pole in prototype for p in _moved(passes, pole, corners)]
    digital = [(2 + p) / (2 - p) for p in poles]
    zeros = _zeros(passes, corners)
    at = _passed(passes, corners)
    pairs = _pairs(digital)
    gains = [abs(_value(_polynomial(p), at) / _value(_polynomial(zeros[: len(p)]), at)) for p in pairs]
    if passes in ("band", "stop"):
        gains = [math.prod(gains) ** (1 / len(gains))] * len(gains)
    return tuple(_section(pair, zeros, gain) for pair, gain in zip(pairs, gains, strict=True))


def _moved(passes: str, pole: complex, corners: Sequence[float]) -> list[complex]:
    """A pole of the low-pass with its corner at 1, moved to where this filter has it."""
    if passes == "low":
        return [pole * corners[0]]
    if passes == "high":
        return [corners[0] / pole]
    width, centre = corners[1] - corners[0], corners[0] * corners[1]
    half = (pole * width if passes == "band" else width / pole) / 2
    root = cmath.sqrt(half * half - centre)
    return [half + root, half - root]


def _zeros(passes: str, corners: Sequence[float]) -> tuple[complex, complex]:
    """The two zeros of each section of two poles; a section of one pole has the first."""
    if passes == "stop":
        middle = 1j * math.sqrt(corners[0] * corners[1])
        zero = (2 + middle) / (2 - middle)
        return zero, zero.conjugate()
    return {"low": (-1 + 0j, -1 + 0j), "high": (1 + 0j, 1 + 0j), "band": (1 + 0j, -1 + 0j)}[passes]


def _passed(passes: str, corners: Sequence[float]) -> complex:
    """A point on the unit circle in the middle of what passes."""
    if passes in ("low", "stop"):
        return 1 + 0j
    if passes == "high":
        return -1 + 0j
    middle = 1j * math.sqrt(corners[0] * corners[1])
    return (2 + middle) / (2 - middle)


def _pairs(poles: Sequence[complex]) -> list[tuple[complex, ...]]:
    """Poles with their conjugates, or real ones by twos; those nearest to the unit circle last."""
    upper = sorted((p for p in poles if p.imag > 1e-12), key=abs)
    real = sorted((p for p in poles if abs(p.imag) <= 1e-12), key=abs)
    pairs: list[tuple[complex, ...]] = [tuple(real[i : i + 2]) for i in range(0, len(real), 2)]
    return pairs + [(p, p.conjugate()) for p in upper]


def _section(poles: tuple[complex, ...], zeros: tuple[complex, complex], gain: float) -> Section:
    b, a = _polynomial(zeros[: len(poles)]), _polynomial(poles)
    return (*(c * gain for c in b), *a[1:])


def _polynomial(roots: Sequence[complex]) -> tuple[float, float, float]:
    """1, c1, c2 of (1 - r1 z^-1)(1 - r2 z^-1); c2 is 0 for a single root."""
    first, second = (*roots, 0j)[:2]
    return 1.0, -(first + second).real, (first * second).real


def _value(polynomial: Sequence[float], at: complex) -> complex:
    return sum((c * at**-n for n, c in enumerate(polynomial)), start=0j)
