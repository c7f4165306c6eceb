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
Roots: TypeAlias = tuple[complex, ...]

COEFFICIENT_BITS = 30
COEFFICIENT_LIMIT = 2  # what 32 bits hold
GRID = 64  # frequencies from each end of the spectrum on
REAL = 1e-12  # imaginary parts below this are rounding


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
    band-stop share its gain evenly, which keeps coefficients small.
    """
    corners = [2 * math.tan(math.pi * f / rate_hz) for f in corner_hz]
    prototype = [cmath.exp(1j * math.pi * (2 * k + order + 1) / (2 * order)) for k in range(order)]
    poles = [p for pole in prototype for p in _moved(passes, pole, corners)]
    pairs = _pairs([(2 + p) / (2 - p) for p in poles])
    zeros = _zeros(passes, pairs, corners)
    at = _passed(passes, corners)
    gains = [abs(_value(_polynomial(p), at) / _value(_polynomial(z), at)) for p, z in zip(pairs, zeros, strict=True)]
    if passes == "stop":
        gains = [math.prod(gains) ** (1 / len(gains))] * len(gains)
    return tuple(_section(*given) for given in zip(pairs, zeros, gains, strict=True))


def largest_gain(sections: Sequence[Section]) -> float:
    """The most that any frequency is amplified by the first section, the first two, and so on."""
    angles = [math.pi * 10 ** (-3 * n / GRID) for n in range(GRID)]
    largest = 0.0
    for angle in (*angles, *(math.pi - a for a in angles)):
        gain, at = 1.0, cmath.exp(1j * angle)
        for section in sections:
            gain *= abs(_value(section[:3], at) / _value((1.0, *section[3:]), at))
            largest = max(largest, gain)
    return largest


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


def _zeros(passes: str, pairs: Sequence[Roots], corners: Sequence[float]) -> list[Roots]:
    """As many zeros as poles for each section."""
    if passes == "stop":
        middle = 1j * math.sqrt(corners[0] * corners[1])
        zero = (2 + middle) / (2 - middle)
        return [(zero, zero.conjugate())] * len(pairs)
    if passes != "band":
        return [((-1 if passes == "low" else 1) + 0j,) * len(pair) for pair in pairs]
    # Of a band-pass, sections with low poles pass what is above, those with high poles what is below: so none
    # amplifies what lies far from the middle of a wide band.
    order = sorted(
        (i for i, pair in enumerate(pairs) if abs(pair[0].imag) > REAL), key=lambda i: cmath.phase(pairs[i][0])
    )
    low, high = order[: len(order) // 2], order[-(len(order) // 2) :] if len(order) > 1 else []
    kinds = {**dict.fromkeys(low, (1 + 0j, 1 + 0j)), **dict.fromkeys(high, (-1 + 0j, -1 + 0j))}
    return [kinds.get(i, (1 + 0j, -1 + 0j)) for i in range(len(pairs))]


def _passed(passes: str, corners: Sequence[float]) -> complex:
    """A point on the unit circle in the middle of what passes."""
    if passes in ("low", "stop"):
        return 1 + 0j
    if passes == "high":
        return -1 + 0j
    middle = 1j * math.sqrt(corners[0] * corners[1])
    return (2 + middle) / (2 - middle)


def _pairs(poles: Sequence[complex]) -> list[Roots]:
    """Poles with their conjugates, or real ones by twos; those nearest to the unit circle last."""
    upper = sorted((p for p in poles if p.imag > REAL), key=abs)
    real = sorted((p for p in poles if abs(p.imag) <= REAL), key=abs)
    pairs: list[Roots] = [tuple(real[i : i + 2]) for i in range(0, len(real), 2)]
    return pairs + [(p, p.conjugate()) for p in upper]


def _section(poles: Roots, zeros: Roots, gain: float) -> Section:
    b, a = _polynomial(zeros), _polynomial(poles)
    return (*(c * gain for c in b), *a[1:])


def _polynomial(roots: Sequence[complex]) -> tuple[float, float, float]:
    """1, c1, c2 of (1 - r1 z^-1)(1 - r2 z^-1); c2 is 0 for a single root."""
    first, second = (*roots, 0j)[:2]
    return 1.0, -(first + second).real, (first * second).real


def _value(polynomial: Sequence[float], at: complex) -> complex:
    return sum((c * at**-n for n, c in enumerate(polynomial)), start=0j)
