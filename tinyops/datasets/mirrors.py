"""Bringing a dataset's files from elsewhere, and putting them where others get them. Digests decide, names help."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyops.artifacts import Progress
from tinyops.datasets.index import IndexEntry, object_path
from tinyops.datasets.objects import FILE_LIMIT_BYTES, Far, Folder, Objects, Place, fetch_all
from tinyops.errors import RemoteError, SpecError
from tinyops.files import digest_bytes, digest_file, read_bounded, writing
from tinyops.remote.files import Patience, Remote

MIRROR_FILES_LIMIT = 1_000_000


@dataclass(frozen=True)
class Fetched:
    """How many files came, and the lines whose files are nowhere, each with the reason."""

    files: int
    bytes: int
    missing: tuple[tuple[IndexEntry, str], ...]


def fetch_from(
    mirror: Place, wanted: Sequence[IndexEntry], objects: Objects, report: Callable[[Progress], None]
) -> Fetched:
    """Brings files from a mirror to where the dataset looks for them.

    In a mirror that is a folder, a file with the right content is found whatever it is called.
    """
    by_digest = _by_digest(mirror.root, wanted) if isinstance(mirror, Folder) else {}
    got: list[int] = []
    missing: list[tuple[IndexEntry, str]] = []

    def fetch(entry: IndexEntry) -> None:
        data, why = _find(mirror, entry, by_digest)
        if data is None:
            missing.append((entry, why))
        else:
            objects.put(entry, data)
            got.append(len(data))

    if wanted:
        try:
            fetch_all(wanted, fetch, report)
        except BaseException:
            if isinstance(mirror, Far):
                mirror.end()
            raise
    return Fetched(len(got), sum(got), tuple(sorted(missing, key=lambda m: m[0].sort_key)))


def _find(mirror: Place, entry: IndexEntry, by_digest: dict[str, Path]) -> tuple[bytes | None, str]:
    """The bytes of a file, by its digest, its own path, or the path that its digest gives."""
    if entry.sha256 in by_digest:
        return read_bounded(by_digest[entry.sha256], FILE_LIMIT_BYTES), ""
    if isinstance(mirror, Folder):
        return None, "no file with this digest"
    why = ""
    for path in dict.fromkeys((entry.path, object_path(entry.sha256, entry.kind))):
        try:
            data = mirror.read(path, entry.bytes or FILE_LIMIT_BYTES)
        except (SpecError, RemoteError) as error:
            why = why or error.message
            continue
        if digest_bytes(data) == entry.sha256:
            return data, ""
        why = f"{path}: is another file: {digest_bytes(data)}"
    return None, why


def _by_digest(root: Path, wanted: Sequence[IndexEntry]) -> dict[str, Path]:
    """Where in a folder the wanted contents lie. Only files of a wanted length are read."""
    digests = {entry.sha256 for entry in wanted}
    sizes = {entry.bytes for entry in wanted}
    found: dict[str, Path] = {}
    for entry in wanted:  # where they are expected, nothing needs to be searched
        path = root / entry.path
        if path.is_file() and digest_file(path) == entry.sha256:
            found[entry.sha256] = path
    if len(found) == len(digests):
        return found
    for number, path in enumerate(_files(root)):
        if number >= MIRROR_FILES_LIMIT or len(found) == len(digests):
            break
        with contextlib.suppress(OSError):
            if None in sizes or path.stat().st_size in sizes:
                digest = digest_file(path)
                if digest in digests:
                    found.setdefault(digest, path)
    return found


def _files(root: Path) -> Iterable[Path]:
    for place, _, names in os.walk(root):
        for name in names:
            path = Path(place) / name
            if path.is_file():
                yield path


def fetch_own(wanted: Sequence[IndexEntry], objects: Objects, report: Callable[[Progress], None]) -> Fetched:
    """Brings files from the dataset's own URL into the cache. Raises RemoteError."""
    objects.ready(wanted, report)
    return Fetched(len(wanted), sum(e.bytes or 0 for e in wanted), ())


def push_to(
    remote: Remote,
    patience: Patience,
    entries: Sequence[IndexEntry],
    objects: Objects,
    report: Callable[[Progress], None],
) -> list[IndexEntry]:
    """Uploads the files that are missing behind a URL, each checked first; returns one line of each.

    Raises SpecError or RemoteError for a file that is not here either: nothing is then uploaded.
    """
    there = patience.call(f"listing {remote.url}", lambda: {f.name: f.bytes for f in remote.listing()}, 64 << 20)
    files = {entry.path: entry for entry in entries}
    missing = [e for path, e in files.items() if path not in there or (e.bytes is not None and there[path] != e.bytes)]
    if isinstance(objects.place, Folder):
        objects.ready(missing, report)  # says what is missing here, too

    def push(entry: IndexEntry) -> None:
        data = objects.read(entry)
        patience.call(f"writing {remote.url}/{entry.path}", lambda: remote.write(entry.path, data), len(data))

    if missing:
        try:
            fetch_all(missing, push, report, doing="uploading", done="uploaded")
        except BaseException:
            patience.end()
            raise
    return missing


def push_folder(
    folder: Path, entries: Sequence[IndexEntry], objects: Objects, report: Callable[[Progress], None]
) -> list[IndexEntry]:
    """The same into a folder, such as a mounted disk."""
    shelf = Folder(folder)
    files = {entry.path: entry for entry in entries}
    missing = [
        e for path, e in files.items() if not (folder / path).is_file() or digest_file(folder / path) != e.sha256
    ]

    def push(entry: IndexEntry) -> None:
        with writing(folder):
            shelf.write(entry.path, objects.read(entry))

    if missing:
        objects.ready(missing, report)
        fetch_all(missing, push, report, doing="copying", done="copied")
    return missing
