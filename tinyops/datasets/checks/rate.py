"""Recordings whose measured rate is not the signal's: a window of theirs is another time than a window of the model."""

from __future__ import annotations

from collections.abc import Iterator

from tinyops.datasets.checks.kind import Evidence, Found, noted, number_of


def check_rate(data: Evidence) -> Iterator[Found]:
    """By the measured rate of each line that has one."""
    wanted, share = data.spec.signal.rate_hz, data.spec.checks.rate.tolerance
    if wanted is None:
        return
    most = wanted * share
    other = [
        (row, f"{row.entry.rate_hz:g} Hz")
        for row in data.labelled
        if row.entry.rate_hz is not None and abs(row.entry.rate_hz - wanted) > most
    ]
    if other:
        message = f"{number_of(len(other))} more than {share:.0%} off the signal's {wanted:g} Hz"
        yield Found(message, noted(other), "record them again at that rate, or correct signal.rate_hz")
