"""How two versions of an index differ: recordings added, removed, labelled otherwise, on the other side of the split.

Pure, and without numpy: `plan` says it of a changed dataset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tinyops.datasets.index import IndexEntry
from tinyops.datasets.split import Piece, entry_group, place_units
from tinyops.datasets.stats import NO_LABEL
from tinyops.files import JsonObject
from tinyops.specs.model import DatasetSpec

Key = tuple[str, int | None, int | None]
TEST, TRAIN = "test", "train"
LABELLED = ("label", "subject", "take")


@dataclass(frozen=True)
class Changed:
    """A recording that stands in both versions with another value of a field."""

    id: str
    field: str
    old: str
    new: str


@dataclass(frozen=True)
class Difference:
    """`cut` are files whose pieces begin or end elsewhere: those pieces are in `added` and `removed`, too.

    `resplit` holds recordings in both versions that moved to the other side, by the spec as it is now.
    """

    added: tuple[IndexEntry, ...] = ()
    removed: tuple[IndexEntry, ...] = ()
    changed: tuple[Changed, ...] = ()
    resplit: tuple[Changed, ...] = ()
    cut: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.added or self.removed or self.changed or self.resplit)

    def of(self, field: str) -> tuple[Changed, ...]:
        return tuple(change for change in self.changed if change.field == field)

    def summary(self) -> str:
        """`+12 recordings, -1, 3 relabelled`, or nothing when nothing differs that matters to training."""
        added, removed = len(self.added), len(self.removed)
        parts = [
            f"+{added:,}" if added else "",
            f"-{removed:,}" if removed else "",
            f"{len(self.of('label')):,} relabelled" if self.of("label") else "",
            f"{len(self.of('subject')):,} of another subject" if self.of("subject") else "",
            f"{len(self.of('take')):,} of another take" if self.of("take") else "",
            f"{len(self.cut):,} cut otherwise" if self.cut else "",
            f"{len(self.resplit):,} on the other side" if self.resplit else "",
        ]
        said = [part for part in parts if part]
        if said and (added or removed):
            said[0] += " recordings"
        return ", ".join(said)

    def to_json(self) -> JsonObject:
        def listed(entries: Sequence[IndexEntry]) -> list[JsonObject]:
            return [{"id": e.id, "label": e.label, "subject": e.subject} for e in entries]

        return {
            "summary": self.summary(),
            "added": listed(self.added),
            "removed": listed(self.removed),
            "changed": [{"id": c.id, "field": c.field, "old": c.old, "new": c.new} for c in self.changed],
            "resplit": [{"id": c.id, "old": c.old, "new": c.new} for c in self.resplit],
            "cut": list(self.cut),
        }


def difference(old: Sequence[IndexEntry], new: Sequence[IndexEntry], spec: DatasetSpec | None = None) -> Difference:
    """Of two versions of an index. Without a spec nothing is said of the split."""
    before, after = {entry_key(e): e for e in old}, {entry_key(e): e for e in new}
    common = [key for key in after if key in before]
    added, removed = [after[k] for k in after if k not in before], [before[k] for k in before if k not in after]
    recut = {e.sha256 for e in added} & {e.sha256 for e in removed}
    return Difference(
        added=tuple(added),
        removed=tuple(removed),
        changed=tuple(change for key in common for change in _changes(before[key], after[key])),
        resplit=() if spec is None else tuple(_resplit(before, after, common, spec)),
        cut=tuple(sorted({e.file or e.sha256 for e in added if e.sha256 in recut})),
    )


def entry_key(entry: IndexEntry) -> Key:
    """What makes a recording the same in two versions."""
    return entry.sha256, entry.begin, entry.end


def _changes(old: IndexEntry, new: IndexEntry) -> Iterator[Changed]:
    for field in LABELLED:
        one, other = getattr(old, field), getattr(new, field)
        if one != other:
            yield Changed(new.id, field, one, other)


def _resplit(
    before: Mapping[Key, IndexEntry], after: Mapping[Key, IndexEntry], common: Sequence[Key], spec: DatasetSpec
) -> Iterator[Changed]:
    was, now = sides([*before.values()], spec), sides([*after.values()], spec)
    for key in common:
        one, other = was.get(key), now.get(key)
        if one is not None and other is not None and one != other:
            yield Changed(after[key].id, "side", one, other)


def sides(entries: Sequence[IndexEntry], spec: DatasetSpec) -> dict[Key, str]:
    """Which side each labelled recording of an index is on, as far as the index says."""
    known = [entry for entry in entries if entry.label in spec.classes]
    pieces = [Piece(e.label, entry_group(e, spec.split.by), e.sha256) for e in known]
    test = place_units(pieces, spec.split)
    return {
        entry_key(entry): TEST if entry.label in spec.test_only or piece.unit in test else TRAIN
        for entry, piece in zip(known, pieces, strict=True)
    }


def tally(found: Difference, old: Sequence[IndexEntry], new: Sequence[IndexEntry], field: str) -> list[JsonObject]:
    """For each class, or subject: recordings before and after, added, removed, and moved to or from another."""
    counts = [Counter(getattr(e, field) for e in entries) for entries in (old, new, found.added, found.removed)]
    moved_in, moved_out = (Counter(getattr(c, at) for c in found.of(field)) for at in ("new", "old"))
    none = NO_LABEL if field == "label" else f"(no {field})"
    return [
        {
            "name": name or none,
            "before": counts[0][name],
            "after": counts[1][name],
            "added": counts[2][name],
            "removed": counts[3][name],
            "moved_in": moved_in[name],
            "moved_out": moved_out[name],
        }
        for name in sorted(set().union(*counts), key=lambda name: (not name, name))
    ]
