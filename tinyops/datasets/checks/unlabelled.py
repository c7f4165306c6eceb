"""Recordings that wait for a label."""

from __future__ import annotations

from collections.abc import Iterator

from tinyops.datasets.checks.kind import Evidence, Found, number_of, places


def check_unlabelled(data: Evidence) -> Iterator[Found]:
    """They are left out of the dataset until somebody says what they are."""
    if waiting := [row for row in data.rows if not row.entry.label]:
        message = f"{number_of(len(waiting))} without a label {'is' if len(waiting) == 1 else 'are'} left out"
        yield Found(message, places(waiting), "label them: `tinyops label`, or their lines in the index")
