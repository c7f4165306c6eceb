"""Enough of each class: recordings that differ, and seconds of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tinyops.datasets.checks.kind import Evidence, Found

LEAST_OF_EACH = 2  # one for each side of the split


def check_amounts(data: Evidence) -> Iterator[Found]:
    """An error always: who demands so many wants them."""
    if not data.complete:
        return
    contents = {(e.sha256, e.begin, e.end): e for row in data.labelled if (e := row.entry)}
    counts = Counter(entry.label for entry in contents.values())
    least = max(data.spec.checks.min_recordings_per_class, LEAST_OF_EACH)
    if few := [f"{name} {counts[name]:,}" for name in data.spec.classes if counts[name] < least]:
        message = f"too few recordings that differ: {', '.join(few)}; wanted at least {least:,} of each class"
        yield Found(message, hint="record and label more, or lower checks.min_recordings_per_class", always=True)
    yield from _seconds(data)


def _seconds(data: Evidence) -> Iterator[Found]:
    least, rate_hz = data.spec.checks.min_seconds_per_class, data.spec.signal.rate_hz
    lengths = [(row.entry.label, row.entry.length) for row in data.labelled]
    if least is None or rate_hz is None or any(length is None for _, length in lengths):
        return
    frames: Counter[str] = Counter()
    for label, length in lengths:
        frames[label] += length or 0
    if short := [f"{c} {frames[c] / rate_hz:,.1f} s" for c in data.spec.classes if frames[c] < least * rate_hz]:
        message = f"too little: {', '.join(short)}; wanted at least {least:g} s of each class"
        yield Found(message, hint="record and label more, or lower checks.min_seconds_per_class", always=True)
