"""Taking a recording back out of an index, with its bytes: for one that nobody has committed yet."""

from __future__ import annotations

from pathlib import Path

from tinyops.datasets.editing import edit_index
from tinyops.datasets.index import IndexEntry
from tinyops.datasets.objects import Folder, Shelf, data_folder


def remove_recording(index: Path, sha256: str, shelf: Shelf | None = None) -> tuple[IndexEntry, ...]:
    """Removes every line of a file, then the file; the lines that were removed."""
    removed: list[IndexEntry] = []

    def change(old: tuple[IndexEntry, ...]) -> list[IndexEntry]:
        removed.extend(entry for entry in old if entry.sha256 == sha256)
        return [entry for entry in old if entry.sha256 != sha256]

    edit_index(index, change)
    shelf = Folder(data_folder(index)) if shelf is None else shelf
    for path in {entry.path for entry in removed}:
        shelf.remove(path)
    return tuple(removed)
