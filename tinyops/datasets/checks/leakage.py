"""What training saw of the test side: subjects, takes and content on both."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from tinyops.datasets.checks.kind import Evidence, Found, number_of, places
from tinyops.datasets.index import IndexEntry, IndexRow
from tinyops.datasets.split import listed

_SIGNS = str.maketrans(dict.fromkeys("._+:@-", " "))


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
    yield from _shared_frames(data)
    yield from _alike(data)


def _shared_frames(data: Evidence) -> Iterator[Found]:
    """Pieces of a file that overlap, one on each side, which the digest of the whole file does not show."""
    apart, found = data.spec.test_only, list[IndexRow]()
    several = {sha256 for sha256, count in Counter(row.entry.sha256 for row in data.labelled).items() if count > 1}
    pieces: dict[str, list[tuple[IndexRow, bool]]] = defaultdict(list)
    for row, test in zip(data.labelled, data.sides, strict=True) if several else ():
        if row.entry.sha256 in several and row.entry.label not in apart:
            pieces[row.entry.sha256].append((row, test))
    for mine in pieces.values():
        found += _overlapping(sorted(mine, key=lambda piece: _begin(piece[0])))
    if rows := list(dict.fromkeys(found)):
        message = f"{number_of(len(rows), 'piece')} of files share frames, in training and in the test"
        yield Found(message, places(rows), "move their begin and end apart")


def _overlapping(pieces: Sequence[tuple[IndexRow, bool]]) -> Iterator[IndexRow]:
    """Those that begin before one of the other side has ended, and it. Copies are said elsewhere."""
    furthest: dict[bool, IndexRow] = {}  # of each side, the one that ends last
    for row, test in pieces:
        other = furthest.get(not test)
        if other is not None and other.entry.begin != row.entry.begin and _begin(row) < _end(other):
            yield from (other, row)
        if test not in furthest or _end(row) > _end(furthest[test]):
            furthest[test] = row


def _begin(row: IndexRow) -> int:
    return row.entry.begin or 0


def _end(row: IndexRow) -> float:
    return math.inf if row.entry.end is None else row.entry.end


def _alike(data: Evidence) -> Iterator[Found]:
    """The group that lies on one side, written in two ways: `anna` and `Anna` are most likely one."""
    by = data.spec.split.by
    if by == "recording":
        return
    apart, sides = data.spec.test_only, dict[str, bool]()
    for row, test in zip(data.labelled, data.sides, strict=True):
        if row.entry.label not in apart:
            sides[row.entry.subject if by == "subject" else row.entry.take] = test
    alike: dict[str, list[str]] = defaultdict(list)
    for name in filter(None, sides):
        alike[_plain(name)].append(name)
    both = [name for names in alike.values() if len({sides[name] for name in names}) > 1 for name in names]
    if both:
        message = f"{by}s that differ by case or a sign only are in training and in the test: {listed(both)}"
        rows = (row for row in data.labelled if (row.entry.subject if by == "subject" else row.entry.take) in both)
        yield Found(message, places(rows), f"give each {by} one name")


def _plain(name: str) -> str:
    return name.casefold().translate(_SIGNS)


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
