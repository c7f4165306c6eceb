"""Values that look as if they were in another unit. Gravity is what gives an accelerometer away."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

from tinyops.datasets.checks.kind import Evidence, Found
from tinyops.datasets.index import IndexRow

ROWS_MAX = 2_000  # a median needs no more
TINY_SHARE = 0.001  # of full scale: no sensor is bought for so little
RAD_PER_S_MAX = 100.0  # 5,700 degrees a second: three times what such sensors can say
G = 9.81
# What an accelerometer feels, gravity with it, in its median: (declared unit, from, to, the unit that it must be).
ACCELERATION = (
    ("g", 0.5 * G, 3 * G, "m/s2"),
    ("g", 300.0, 5_000.0, "mg"),
    ("m/s2", 0.95, 1.05, "g"),
    ("m/s2", 300.0, 5_000.0, "mg"),
)
AXES = 3


def check_units(data: Evidence) -> Iterator[Found]:
    """By the statistics of the lines; by the most of them, so that one odd recording says nothing."""
    channels = len(data.spec.signal.channels)
    rows = [r for r in data.labelled if len(r.entry.mean) == len(r.entry.spread) == channels][:ROWS_MAX]
    if not rows:
        return
    yield from _accelerometers(data, rows)
    yield from _gyroscopes(data, rows)
    yield from _tiny(data, rows)


def _accelerometers(data: Evidence, rows: Sequence[IndexRow]) -> Iterator[Found]:
    units, channels = data.spec.signal.units, data.spec.signal.channels
    for first in _triples(units, ("g", "m/s2")):
        felt = median(_size(row, first) for row in rows)
        for unit, low, high, other in ACCELERATION:
            if units[first] == unit and low <= felt <= high:
                names = ", ".join(channels[first : first + AXES])
                message = f"{names} feel {felt:.3g} {unit} in the median, gravity with it: that looks like {other}"
                yield Found(message, hint="convert the values, or correct signal.units and full_scale")


def _triples(units: Sequence[str], wanted: Sequence[str]) -> Iterator[int]:
    """Where three channels of one of the units begin."""
    first = 0
    while first + AXES <= len(units):
        if units[first] in wanted and len({*units[first : first + AXES]}) == 1:
            yield first
            first += AXES
        else:
            first += 1


def _size(row: IndexRow, first: int) -> float:
    """The root of the mean square of a vector's length."""
    parts = slice(first, first + AXES)
    return math.hypot(*row.entry.mean[parts], *row.entry.spread[parts])


def _gyroscopes(data: Evidence, rows: Sequence[IndexRow]) -> Iterator[Found]:
    signal = data.spec.signal
    for number, (channel, unit) in enumerate(zip(signal.channels, signal.units, strict=True)):
        most = max((_most(row, number) for row in rows), default=0.0)
        if unit == "rad/s" and most > RAD_PER_S_MAX:
            message = f"{channel} reaches {most:,.0f} rad/s: that looks like dps"
            yield Found(message, hint="convert the values, or correct signal.units and full_scale")


def _tiny(data: Evidence, rows: Sequence[IndexRow]) -> Iterator[Found]:
    signal = data.spec.signal
    for number, (channel, scale) in enumerate(zip(signal.channels, signal.full_scale, strict=True)):
        most = max((_most(row, number) for row in rows), default=0.0)
        if 0 < most < TINY_SHARE * scale:
            message = f"{channel} never leaves ±{most:.3g} {signal.units[number]}, full scale is {scale:g}"
            yield Found(message, hint="is its unit right? correct signal.units and full_scale, or convert the values")


def _most(row: IndexRow, number: int) -> float:
    entry = row.entry
    if len(entry.low) <= number or len(entry.high) <= number:
        return 0.0
    return max(abs(entry.low[number]), abs(entry.high[number]))
