"""What people do to an index, as pure functions: its lines, and what is meant, to its lines.

Pieces of one file never overlap: what is given a label takes its frames from the pieces that had them. A piece whose
frames change loses its statistics (`measuring` fills them in again); all else of a line stays. Raises SpecError.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tinyops.datasets.index import IndexEntry
from tinyops.errors import SpecError

Entries = tuple[IndexEntry, ...]
UNMEASURED = {"lost": None, "clipped": None, "low": (), "high": (), "mean": (), "spread": ()}
RELOAD = "it was changed elsewhere: look at the list again"


@dataclass(frozen=True)
class Span:
    """Frames of a file, from `begin` up to, and without, `end`."""

    begin: int
    end: int

    def cut(self, other: Span) -> tuple[Span, ...]:
        """What is left of it without the other."""
        parts = (Span(self.begin, min(self.end, other.begin)), Span(max(self.begin, other.end), self.end))
        return tuple(part for part in parts if part.begin < part.end)

    def meets(self, other: Span) -> bool:
        return self.begin < other.end and other.begin < self.end


@dataclass(frozen=True)
class Whole:
    """A file of the index: where it lies, and how many frames it has."""

    path: str
    frames: int


@dataclass(frozen=True)
class Run:
    """Frames that one label is given."""

    span: Span
    label: str


def set_labels(entries: Entries, ids: Collection[str], label: str) -> Entries:
    """Gives pieces a label, or with "" takes it away."""
    return _replaced(entries, ids, label=label)


def set_each(entries: Entries, groups: Sequence[tuple[Collection[str], str]]) -> Entries:
    """Gives each group of pieces its own label."""
    for ids, label in groups:
        entries = set_labels(entries, ids, label)
    return entries


def set_subjects(entries: Entries, ids: Collection[str], subject: str) -> Entries:
    return _replaced(entries, ids, subject=subject)


def delete(entries: Entries, ids: Collection[str]) -> Entries:
    """Takes lines out; the files stay where they lie."""
    _find(entries, ids)
    return tuple(entry for entry in entries if entry.id not in ids)


def split(entries: Entries, whole: Whole, frame: int) -> Entries:
    """Makes two pieces of the one that has this frame; the second begins with it."""
    entry = _at(entries, whole, frame)
    span = span_of(entry, whole.frames)
    if frame == span.begin:
        raise SpecError(f"{entry.id} begins at frame {frame:,} already", hint="move the cursor into the piece")
    halves = (Span(span.begin, frame), Span(frame, span.end))
    return _instead(entries, entry, [piece(entry, half, whole.frames) for half in halves])


def trim(entries: Entries, id_: str, span: Span, whole: Whole) -> Entries:
    """Leaves of a piece only what lies in the span."""
    (entry,) = _find(entries, {id_})
    had = span_of(entry, whole.frames)
    left = Span(max(had.begin, span.begin), min(had.end, span.end))
    if left.begin >= left.end:
        raise SpecError(f"frames {span.begin:,} to {span.end:,} are not in {id_}")
    return _instead(entries, entry, [piece(entry, left, whole.frames)])


def paint(entries: Entries, whole: Whole, runs: Sequence[Run]) -> Entries:
    """Gives spans of a file their labels, each a piece of its own; others lose these frames to them."""
    for run in runs:
        entries = _paint(entries, whole, run)
    return entries


def erase(entries: Entries, whole: Whole, span: Span) -> Entries:
    """Takes frames out of all pieces of a file."""
    _check_span(span, whole)
    mine = _of_file(entries, whole)
    if not any(span_of(entry, whole.frames).meets(span) for entry in mine):
        raise SpecError(f"{whole.path}: no piece has frames {span.begin:,} to {span.end:,}")
    return tuple(_without(entries, whole, span))


def move_edge(entries: Entries, whole: Whole, frame: int, to: int) -> Entries:
    """Moves an edge: the piece that ends there and the one that begins there stay neighbours."""
    if not 0 <= to <= whole.frames:
        raise SpecError(f"{whole.path}: has {whole.frames:,} frames, there is no edge at {to:,}")
    moved, found = [], False
    for entry in entries:
        span = span_of(entry, whole.frames) if entry.path == whole.path else None
        if span is None or frame not in (span.begin, span.end):
            moved.append(entry)
            continue
        found = True
        new = Span(to if span.begin == frame else span.begin, to if span.end == frame else span.end)
        if new.begin >= new.end:
            raise SpecError(f"{entry.id}: nothing would be left of it", hint="delete it")
        moved.append(piece(entry, new, whole.frames))
    if not found:
        raise SpecError(f"{whole.path}: no piece begins or ends at frame {frame:,}", hint=RELOAD)
    _check_apart(moved, whole)
    return tuple(moved)


def span_of(entry: IndexEntry, frames: int) -> Span:
    """The frames of a piece, or of its whole file."""
    return Span(entry.begin or 0, frames if entry.end is None else entry.end)


def piece(entry: IndexEntry, span: Span, frames: int) -> IndexEntry:
    """An entry with other frames of the same file."""
    if span == span_of(entry, frames):
        return entry
    whole = span == Span(0, frames)
    edges = {"begin": None, "end": None} if whole else {"begin": span.begin, "end": span.end}
    return replace(entry, frames=frames, **edges, **UNMEASURED)  # type: ignore[arg-type]


def _paint(entries: Entries, whole: Whole, run: Run) -> Entries:
    _check_span(run.span, whole)
    mine = _of_file(entries, whole)
    first = next((entry for entry in mine if span_of(entry, whole.frames).meets(run.span)), mine[0])
    new = replace(piece(first, run.span, whole.frames), label=run.label)
    if new == first:
        return entries
    rest = tuple(_without(entries, whole, run.span))
    at = next((n for n, entry in enumerate(entries) if entry.path == whole.path), len(rest))
    return (*rest[:at], new, *rest[at:])


def _without(entries: Entries, whole: Whole, span: Span) -> Iterator[IndexEntry]:
    for entry in entries:
        if entry.path != whole.path:
            yield entry
            continue
        for left in span_of(entry, whole.frames).cut(span):
            yield piece(entry, left, whole.frames)


def _replaced(entries: Entries, ids: Collection[str], **fields: str) -> Entries:
    _find(entries, ids)
    return tuple(replace(entry, **fields) if entry.id in ids else entry for entry in entries)  # type: ignore[arg-type]


def _instead(entries: Entries, old: IndexEntry, new: Sequence[IndexEntry]) -> Entries:
    at = entries.index(old)
    return (*entries[:at], *new, *entries[at + 1 :])


def _find(entries: Entries, ids: Collection[str]) -> Entries:
    found = tuple(entry for entry in entries if entry.id in ids)
    missing = sorted(set(ids) - {entry.id for entry in found})
    if missing or not ids:
        raise SpecError(f"{missing[0][:80] if missing else 'nothing'}: is not in the index", hint=RELOAD)
    return found


def _of_file(entries: Entries, whole: Whole) -> Entries:
    mine = tuple(entry for entry in entries if entry.path == whole.path)
    if not mine:
        raise SpecError(f"{whole.path[:80]}: is not in the index", hint=RELOAD)
    return mine


def _at(entries: Entries, whole: Whole, frame: int) -> IndexEntry:
    for entry in _of_file(entries, whole):
        span = span_of(entry, whole.frames)
        if span.begin <= frame < span.end:
            return entry
    raise SpecError(f"{whole.path}: no piece has frame {frame:,}")


def _check_span(span: Span, whole: Whole) -> None:
    if not 0 <= span.begin < span.end <= whole.frames:
        raise SpecError(f"{whole.path}: has {whole.frames:,} frames, not {span.begin:,} to {span.end:,}")


def _check_apart(entries: Sequence[IndexEntry], whole: Whole) -> None:
    spans = sorted((span_of(e, whole.frames) for e in entries if e.path == whole.path), key=lambda span: span.begin)
    for before, after in pairwise(spans):
        if after.begin < before.end:
            raise SpecError(f"{whole.path}: frame {after.begin:,} would be in two pieces")
