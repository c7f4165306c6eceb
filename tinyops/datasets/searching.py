"""Which files are meant: those named, those below folders, those of another index such as a receiver's inbox."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyops.datasets.editing import read_index
from tinyops.datasets.formats import FORMATS
from tinyops.datasets.index import COLUMNS, NEEDED, IndexEntry, format_of
from tinyops.datasets.objects import data_folder
from tinyops.errors import UsageError

FILES_LIMIT = 200_000
HEAD_BYTES = 4096


@dataclass(frozen=True)
class Item:
    """A file to be added; `lines` are those of the index that it lies beside, if there is one."""

    path: Path
    lines: tuple[IndexEntry, ...] = ()

    @property
    def kind(self) -> str:
        return self.lines[0].kind if self.lines else format_of(self.path.name)


def find_files(paths: Sequence[Path]) -> tuple[list[Item], int]:
    """The files named, and all below the folders named that have a known ending; how many others were passed over.

    An index among them stands for the files that it names. Raises UsageError for what is not there, and for a file
    named whose ending nothing reads, SpecError for an index that is wrong.
    """
    found: dict[Path, Item] = {}
    passed = 0
    for path in paths:
        if path.is_file() and format_of(path.name) not in FORMATS:
            raise UsageError(f"{path}: its ending is of no format", hint=f"formats: {', '.join(FORMATS)}")
        if not path.exists():
            raise UsageError(f"{path}: there is no such file or folder")
        for file in [path] if path.is_file() else _below(path):
            items = _items(file)
            passed += not items
            found.update((item.path, item) for item in items)
        if len(found) > FILES_LIMIT:
            raise UsageError(f"more than {FILES_LIMIT:,} files", hint="add them in parts")
    return list(found.values()), passed


def _items(path: Path) -> list[Item]:
    """What a file stands for; nothing when it is of no format."""
    if format_of(path.name) not in FORMATS:
        return []
    if not _is_index(path):
        return [Item(path)]
    by_path: dict[str, list[IndexEntry]] = {}
    for entry in read_index(path):
        by_path.setdefault(entry.path, []).append(entry)
    return [Item(data_folder(path) / name, tuple(lines)) for name, lines in by_path.items()]


def _is_index(path: Path) -> bool:
    """Whether a file's first line names columns of an index."""
    if path.suffix != ".csv":
        return False
    with path.open("rb") as stream:
        lines = stream.read(HEAD_BYTES).decode(errors="replace").splitlines()
    head = next((line.split(",") for line in lines if not line.startswith("#")), [])
    return set(NEEDED) <= set(head) <= set(COLUMNS)


def _below(folder: Path) -> Iterator[Path]:
    """The files of a folder, without those that an index in it names."""
    for place, folders, names in os.walk(folder):
        here = Path(place)
        files = [name for name in sorted(names) if not name.startswith(".") and (here / name).is_file()]
        indexed = {Path(name).stem for name in files if _is_index(here / name)}
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in indexed)
        yield from (here / name for name in files)
