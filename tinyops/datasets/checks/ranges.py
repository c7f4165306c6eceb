"""Values outside the range that a channel may have."""

from __future__ import annotations

from collections.abc import Iterator

from tinyops.datasets.checks.kind import Evidence, Found, noted, number_of
from tinyops.datasets.index import IndexRow


def check_ranges(data: Evidence) -> Iterator[Found]:
    """An error always: who writes a range down means it."""
    checks, signal = data.spec.checks, data.spec.signal
    for number, (channel, unit) in enumerate(zip(signal.channels, signal.units, strict=True)):
        limits = checks.ranges.get(channel, checks.range)
        if limits is None:
            continue
        low, high = limits
        field = f"checks.ranges.{channel}" if channel in checks.ranges else "checks.range"
        if outside := [(row, text) for row in data.labelled if (text := _outside(row, number, low, high))]:
            message = f"{number_of(len(outside))} with {channel} outside {low:g} to {high:g} {unit}"
            hint = f"leave them out of the index, give them no label, or widen {field}"
            yield Found(message, noted(outside), hint, always=True)


def _outside(row: IndexRow, number: int, low: float, high: float) -> str:
    """What of its values lies outside; "" for nothing, or when its line does not say."""
    entry = row.entry
    if len(entry.low) <= number or len(entry.high) <= number:
        return ""
    least, most = entry.low[number], entry.high[number]
    return f"{least:g} to {most:g}" if least < low or most > high else ""
