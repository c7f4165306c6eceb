"""Taking a recording back out of an index, with its bytes: for one that nobody has committed yet."""

from __future__ import annotations

from pathlib import Path

from tinyops.datasets.editing import edit_index
from tinyops.datasets.index import IndexEntry
from tinyops.datasets.objects import Objects


def remove_recording(index: Path, sha256: str, objects: Objects) -> tuple[IndexEntry, ...]:
    """Removes every line of a file, then the file; the lines that were removed."""
    removed: list[IndexEntry] = []

    def change(old: tuple[IndexEntry, ...]) -> list[IndexEntry]:
        removed.extend(entry for entry in old if entry.sha256 == sha256)
        return [entry for entry in old if entry.sha256 != sha256]

    edit_index(index, change)
    for entry in removed[:1]:  # the others are pieces of the same file
        objects.remove(entry)
    return tuple(removed)
