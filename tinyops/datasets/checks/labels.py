"""Labels that are no class, and classes that look like one another."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterator, Sequence

from tinyops.datasets.checks.kind import Evidence, Found, number_of, places
from tinyops.datasets.index import IndexRow

SHOWN = 20


def check_labels(data: Evidence) -> Iterator[Found]:
    """A label that is no class is an error always; classes that differ by case or a sign only are as the spec says."""
    classes = data.spec.classes
    known, strange = frozenset(classes), defaultdict[str, list[IndexRow]](list)
    for row in data.rows:
        if row.entry.label and row.entry.label not in known:
            strange[row.entry.label].append(row)
    for label, rows in sorted(strange.items())[:SHOWN]:
        message = f"{number_of(len(rows))} labelled {label!r}, which is not one of the dataset's classes"
        yield Found(message, places(rows), guess(label, classes), always=True)
    if others := sorted(strange)[SHOWN:]:
        rows = [row for label in others for row in strange[label]]
        message = f"{number_of(len(rows))} with {len(others):,} other labels that are not among the dataset's classes"
        yield Found(message, places(rows), f"the dataset has {', '.join(classes[:SHOWN])}", always=True)
    alike = defaultdict[str, list[str]](list)
    for label in classes:
        alike[_plain(label)].append(label)
    for same in alike.values():
        if len(same) > 1:
            hint = "keep one, and give the recordings of the others its label"
            yield Found(f"the classes {', '.join(same)} differ by case or a sign only", hint=hint)


def guess(label: str, classes: Sequence[str]) -> str:
    """Which class was meant, or which there are."""
    plain = {_plain(name): name for name in classes}
    near = difflib.get_close_matches(_plain(label), plain, n=1, cutoff=0.5)
    return f"did you mean {plain[near[0]]}?" if near else f"the dataset has {', '.join(classes[:SHOWN])}"


def _plain(label: str) -> str:
    return "".join(character for character in label.lower() if character.isalnum())
