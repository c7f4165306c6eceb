"""What is to be said of recordings at the moment that they are added."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from tinyops.datasets.checks.clipping import check_clipping
from tinyops.datasets.checks.duplicates import check_duplicates
from tinyops.datasets.checks.gaps import check_gaps
from tinyops.datasets.checks.kind import Check, Evidence, Found
from tinyops.datasets.checks.ranges import check_ranges
from tinyops.datasets.checks.rate import check_rate
from tinyops.datasets.checks.short import check_short
from tinyops.datasets.checks.units import check_units

# Those that judge recordings one by one: how much there is of a class is no news while it is being recorded.
BY_RECORDING: Mapping[str, Check] = {
    "ranges": check_ranges,
    "units": check_units,
    "rate": check_rate,
    "gaps": check_gaps,
    "clipping": check_clipping,
    "short": check_short,
}


def check_added(data: Evidence, ids: Collection[str]) -> Iterator[tuple[str, Found]]:
    """What the checks say of the rows with these ids, labelled or not, and of others that are the same."""
    new = tuple(row for row in data.rows if row.entry.id in ids)
    label = data.spec.classes[0]  # whatever it will be called: none of these checks asks
    called = (replace(row, entry=replace(row.entry, label=row.entry.label or label)) for row in new)
    alone = replace(data, rows=tuple(called))
    for name, check in BY_RECORDING.items():
        yield from ((name, found) for found in check(alone))
    places = {row.where for row in new}
    for found in check_duplicates(data):
        if not places.isdisjoint(found.places):
            yield "duplicates", found
