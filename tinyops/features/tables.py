"""Tables of features as integers, from decimal arithmetic: the same on every machine, whatever its libm rounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import lru_cache

DIGITS = 40
UNIT = 1 << 15
LOG_STEPS = 64
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582")
_MEL_HZ, _MEL_FACTOR = Decimal(700), Decimal(1127)


def cosine(part: int, whole: int) -> Decimal:
    """cos(2 pi part / whole), exact in all digits that matter."""
    part %= whole
    part = min(part, whole - part)  # 0 .. half a turn
    if 4 * part > whole:
        return -cosine(whole - 2 * part, 2 * whole)
    with localcontext(Context(prec=DIGITS)):
        angle = 2 * _PI * part / whole
        term = total = Decimal(1)
        n = 0
        while abs(term) > Decimal(10) ** -(DIGITS - 5):
            n += 2
            term = -term * angle * angle / (n * (n - 1))
            total += term
        return total


def _whole(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_HALF_EVEN))


@lru_cache(maxsize=32)
def window_table(kind: str, length: int) -> tuple[int, ...]:
    """The first length/2 + 1 values of a periodic window, times 2^15; the rest mirrors them."""
    base, swing = {
        "hann": (Decimal("0.5"), Decimal("0.5")),
        "hamming": (Decimal("0.54"), Decimal("0.46")),
        "rectangular": (Decimal(1), Decimal(0)),
    }[kind]
    return tuple(_whole((base - swing * cosine(n, length)) * UNIT) for n in range(length // 2 + 1))


def window_sum(kind: str, length: int) -> int:
    """The sum of all values of the window, times 2^15."""
    half = window_table(kind, length)
    return sum(half[n if 2 * n <= length else length - n] for n in range(length))


@lru_cache(maxsize=32)
def twiddle_table(points: int) -> tuple[int, ...]:
    """points/2 pairs -cos, -sin of 2 pi k / points, times 2^15: negated, -1 fits int16 and 1 does not."""
    return tuple(v for k in range(points // 2) for v in _negated(k, points))


def _negated(k: int, points: int) -> Iterator[int]:
    for value in (cosine(k, points), cosine(4 * k - points, 4 * points)):  # sin x = cos(x - a quarter turn)
        yield min(_whole(-value * UNIT), UNIT - 1)


@lru_cache(maxsize=1)
def log_table() -> tuple[int, ...]:
    """log2(1 + i/64) * 2^15."""
    with localcontext(Context(prec=DIGITS)):
        octave = Decimal(2).ln()
        return tuple(_whole((1 + Decimal(i) / LOG_STEPS).ln() / octave * UNIT) for i in range(LOG_STEPS + 1))


@dataclass(frozen=True)
class MelBands:
    """Bins starts[j] .. starts[j + 1] - 1 lie between edges j and j + 1; `rises` is each bin's rising weight * 2^15."""

    starts: tuple[int, ...]
    rises: tuple[int, ...]

    def has_weight(self, band: int) -> bool:
        """Whether any bin counts for a band."""
        first, middle, end = (s - self.starts[0] for s in self.starts[band : band + 3])
        return any(self.rises[first:middle]) or any(r < UNIT for r in self.rises[middle:end])


@lru_cache(maxsize=32)
def mel_bands(rate_hz: float, points: int, bands: int, low_hz: float, high_hz: float) -> MelBands:
    """Triangles over mel(f) = 1127 ln(1 + f / 700), their edges evenly apart from low to high."""
    with localcontext(Context(prec=DIGITS)):
        low, high = _mel(Decimal(low_hz)), _mel(Decimal(high_hz))
        apart = (high - low) / (bands + 1)
        mels = [_mel(Decimal(rate_hz) * k / points) for k in range(points // 2 + 1)]
        places = [(mel - low) / apart for mel in mels]  # in edges
        starts = tuple(sum(place < j for place in places) for j in range(bands + 2))
        inside = places[starts[0] : starts[-1]]
        return MelBands(starts, tuple(_whole((place - int(place)) * UNIT) for place in inside))


def _mel(frequency_hz: Decimal) -> Decimal:
    return _MEL_FACTOR * (1 + frequency_hz / _MEL_HZ).ln()


@lru_cache(maxsize=32)
def cosine_table(inputs: int, outputs: int) -> tuple[int, ...]:
    """cos(pi k (2 m + 1) / (2 inputs)) * 2^15 for output k and input m, outputs one after another."""
    return tuple(
        min(_whole(cosine(k * (2 * m + 1), 4 * inputs) * UNIT), UNIT - 1) for k in range(outputs) for m in range(inputs)
    )


def cosine_factors(inputs: int) -> tuple[int, int]:
    """What the sum of output 0, and of the others, is multiplied with, times 2^30: 1 and root 2, over inputs."""
    with localcontext(Context(prec=DIGITS)):
        one = Decimal(1 << 30) / inputs
        return _whole(one), _whole(one * Decimal(2).sqrt())
