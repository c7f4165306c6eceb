"""Where the files of recordings lie: a folder, later any URL; each is checked against the digest in its index."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tinyops.datasets.index import IndexEntry
from tinyops.errors import SpecError
from tinyops.files import MIB, digest_bytes, digest_file, read_bounded, write_atomic, writing

FILE_LIMIT_BYTES = 1024 * MIB


class Place(Protocol):
    """Where bytes lie, by their path below it."""

    def read(self, path: str, limit_bytes: int) -> bytes:
        """Raises SpecError for a file that is missing or larger than the limit, RemoteError where nothing answers."""


class Shelf(Protocol):
    """Where bytes are put, by their path below it."""

    def write(self, path: str, data: bytes) -> None:
        """Durable when it returns; the same bytes twice are written once. Raises ToolError, RemoteError."""

    def remove(self, path: str) -> None:
        """Gone when it returns, also when it was not there. Raises ToolError, RemoteError."""


class Folder:
    """A `Place` and a `Shelf` in the repository, or beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str, limit_bytes: int) -> bytes:
        try:
            return read_bounded(self.root / path, limit_bytes)
        except OSError as error:
            raise SpecError(f"{self.root / path}: cannot be read: {error.strerror}") from error

    def write(self, path: str, data: bytes) -> None:
        place = self.root / path
        if not place.is_file() or digest_file(place) != digest_bytes(data):
            write_atomic(place, data)

    def remove(self, path: str) -> None:
        with writing(self.root / path):
            (self.root / path).unlink(missing_ok=True)


def data_folder(index: Path) -> Path:
    """Where an index's data lies when its source names no URL: `data/wrist` for `data/wrist.csv`."""
    return index.with_suffix("")


def read_entry(place: Place, entry: IndexEntry) -> bytes:
    """The bytes that an index's line names. Raises SpecError when they are others."""
    data = place.read(entry.path, FILE_LIMIT_BYTES)
    found = digest_bytes(data)
    if found != entry.sha256:
        raise SpecError(
            f"{entry.path}: has changed: the index says {entry.sha256}, it is {found}",
            hint="bring the file back; recordings never change, a change is a new recording",
        )
    return data
