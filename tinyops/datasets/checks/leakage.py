"""What training saw of the test side: subjects, takes and content on both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from tinyops.datasets.checks.kind import Evidence, Found, number_of, places
from tinyops.datasets.index import IndexEntry, IndexRow
from tinyops.datasets.split import listed


def check_leakage(data: Evidence) -> Iterator[Found]:
    """A test that knows them flatters the model: devices will meet people that it never saw."""
    by = data.spec.split.by
    if by != "subject":
        yield from _on_both(data, "subject", lambda entry: entry.subject, "split: {by: subject} tests on others")
    if by != "take":
        hint = "split: {by: take} keeps them together" if by == "recording" else "give a take of two subjects two names"
        yield from _on_both(data, "take", lambda entry: entry.take, hint)
    for rows in _both_sides(data, lambda entry: f"{entry.sha256} {entry.begin}").values():
        message = f"{number_of(len(rows))} with the same content, in training and in the test"
        yield Found(message, places(rows), "keep one of them")


def _on_both(data: Evidence, what: str, key: Callable[[IndexEntry], str], hint: str) -> Iterator[Found]:
    both = _both_sides(data, key)
    if both:
        message = f"{number_of(len(both), what)} in training and in the test: {listed(both)}"
        yield Found(message, places(row for name in sorted(both) for row in both[name]), hint)


def _both_sides(data: Evidence, key: Callable[[IndexEntry], str]) -> dict[str, list[IndexRow]]:
    """The rows of each key that has some on both sides."""
    rows: dict[str, list[IndexRow]] = defaultdict(list)
    seen: tuple[set[str], set[str]] = (set(), set())
    apart = data.spec.test_only  # nothing is trained on them, so nothing of theirs is known
    for row, test in zip(data.labelled, data.sides, strict=True):
        if row.entry.label not in apart and (name := key(row.entry)):
            rows[name].append(row)
            seen[test].add(name)
    return {name: rows[name] for name in sorted(seen[0] & seen[1])}
