"""The same twice: one content under two names, pieces that overlap, the same values in two files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import accumulate

from tinyops.datasets.checks.kind import Evidence, Found, number_of, places
from tinyops.datasets.index import IndexEntry, IndexRow


def check_duplicates(data: Evidence) -> Iterator[Found]:
    """Copies count once, so they are no error, unless they have two labels."""
    copies = _together(data.labelled, lambda entry: (entry.sha256, entry.begin, entry.end))
    for rows in copies:
        if labels := _labels(rows):
            message = f"the same content is labelled {' and '.join(labels)}"
            yield Found(message, places(rows), "one of the labels is wrong", always=True)
    if same := [row for rows in copies if not _labels(rows) for row in rows]:
        message = f"{number_of(len(same))} with content that another has too; it counts once"
        yield Found(message, places(same), "remove the lines of the copies")
    yield from _overlaps(data)
    if data.spec.signal.size is not None:
        return  # a small picture has few levels: two that differ often agree in all statistics
    alike = [rows for rows in _together(data.labelled, _values) if len({row.entry.sha256 for row in rows}) > 1]
    if near := [row for rows in alike for row in rows]:
        message = f"{number_of(len(near))} with the same values in another file, by their statistics"
        yield Found(message, places(near), "keep one file of each recording: copies flatter the test")


def _together(rows: Iterable[IndexRow], key: Callable[[IndexEntry], Hashable | None]) -> list[list[IndexRow]]:
    """Rows that share a key with another."""
    found: dict[Hashable, list[IndexRow]] = defaultdict(list)
    for row in rows:
        if (name := key(row.entry)) is not None:
            found[name].append(row)
    return [together for together in found.values() if len(together) > 1]


def _values(entry: IndexEntry) -> Hashable | None:
    """Length and statistics to five digits; chance does not make two recordings alike in all of them.

    None for lines that do not say them, and for values that never change, of which many are alike.
    """
    if not entry.mean or not entry.spread or not all(entry.spread):
        return None
    return (entry.length, entry.mean, entry.spread, entry.low, entry.high)


def _labels(rows: Iterable[IndexRow]) -> list[str]:
    """The labels, when they are several."""
    labels = sorted({row.entry.label for row in rows})
    return labels if len(labels) > 1 else []


def _overlaps(data: Evidence) -> Iterator[Found]:
    pieces: dict[str, list[IndexRow]] = defaultdict(list)
    for row in data.labelled:
        pieces[row.entry.sha256].append(row)
    found: list[IndexRow] = []
    for rows in pieces.values():
        if len(rows) > 1:
            ordered = sorted(rows, key=lambda row: (row.entry.begin or 0, row.entry.end or 0))
            before = accumulate(ordered[:-1], _later)
            found += (row for pair in zip(before, ordered[1:], strict=True) if _overlap(*pair) for row in pair)
    if found:
        rows = list(dict.fromkeys(found))
        message = f"{number_of(len(rows), 'piece')} of files share frames with another one"
        yield Found(message, places(rows), "move their begin and end apart")


def _later(first: IndexRow, second: IndexRow) -> IndexRow:
    """The one that ends later."""
    end = first.entry.end
    return first if end is None or (second.entry.end is not None and second.entry.end <= end) else second


def _overlap(first: IndexRow, second: IndexRow) -> bool:
    before, after = first.entry, second.entry
    if (before.begin, before.end) == (after.begin, after.end):
        return False  # copies, said above
    return before.end is None or after.begin is None or after.begin < before.end
