"""Classes of very different size: a model that never says the small one looks good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tinyops.datasets.checks.kind import Evidence, Found


def check_balance(data: Evidence) -> Iterator[Found]:
    """By seconds where all lines say how long they are, else by recordings. Only of what is trained on."""
    if not data.complete:
        return
    rate_hz, most = data.spec.signal.rate_hz, data.spec.checks.balance.ratio_max
    timed = rate_hz is not None and all(row.entry.length is not None for row in data.labelled)
    sizes: Counter[str] = Counter()
    for row in data.labelled:
        sizes[row.entry.label] += (row.entry.length or 0) if timed else 1
    present = [label for label in data.spec.classes if sizes[label] and label not in data.spec.test_only]
    if len(present) < 2:
        return
    least, largest = min(present, key=lambda c: sizes[c]), max(present, key=lambda c: sizes[c])
    if sizes[largest] > most * sizes[least]:
        unit, scale = ("s", rate_hz or 1.0) if timed else ("recordings", 1.0)
        shown = [f"{label} {sizes[label] / scale:,.0f} {unit}" for label in (largest, least)]
        message = f"{shown[0]}, {shown[1]}: {sizes[largest] / sizes[least]:.0f} times as much"
        yield Found(message, hint=f"record more of {least}, or raise checks.balance.ratio_max")
