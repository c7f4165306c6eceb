"""Frames that never came: how many of a recording, and how many at once."""

from __future__ import annotations

from collections.abc import Iterator

from tinyops.datasets.checks.kind import Evidence, Found, noted, number_of
from tinyops.datasets.index import IndexEntry


def check_gaps(data: Evidence) -> Iterator[Found]:
    """By `lost` and `gap` of each line that has them."""
    checks, rate_hz = data.spec.checks.gaps, data.spec.signal.rate_hz
    lost = [(row, share) for row in data.labelled if (share := lost_share(row.entry)) > checks.lost_share_max]
    if lost:
        message = f"{number_of(len(lost))} with more than {checks.lost_share_max:.1%} of the frames lost"
        shown = noted((row, f"{share:.1%}") for row, share in lost)
        yield Found(message, shown, "record them again, slower or over a better line, or raise checks.gaps")
    if checks.longest_s_max is None or rate_hz is None:
        return
    most = checks.longest_s_max * rate_hz
    if long := [row for row in data.labelled if (row.entry.gap or 0) > most]:
        message = f"{number_of(len(long))} with a gap longer than {checks.longest_s_max:g} s"
        shown = noted((row, f"{(row.entry.gap or 0) / rate_hz:.2f} s") for row in long)
        yield Found(message, shown, "record them again, or raise checks.gaps.longest_s_max")


def lost_share(entry: IndexEntry) -> float:
    """Of the frames that should have come."""
    return entry.lost / (entry.lost + (entry.length or 0)) if entry.lost else 0.0
