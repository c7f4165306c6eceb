"""Where the files of recordings lie: a folder, or behind a URL; each is checked against the digest in its index."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from tinyops.artifacts import Progress
from tinyops.datasets.index import IndexEntry
from tinyops.datasets.lfs import is_pointer, pointed_at, pull_command
from tinyops.errors import RemoteError, SpecError
from tinyops.files import MIB, cache_folder, digest_bytes, digest_file, read_bounded, write_atomic, writing
from tinyops.remote.files import Patience, Sink

FILE_LIMIT_BYTES = 1024 * MIB
CACHE = "data"
FETCHERS = 8
SHOWN = 5


class Place(Protocol):
    """Where bytes lie, by their path below it."""

    def read(self, path: str, limit_bytes: int) -> bytes:
        """Raises SpecError for a file that is missing or larger than the limit, RemoteError where nothing answers."""


class Shelf(Protocol):
    """Where bytes are put, by their path below it."""

    def write(self, path: str, data: bytes) -> None:
        """Durable when it returns; the same bytes twice are written once. Raises ToolError, RemoteError."""


class Folder:
    """A `Place` and a `Shelf` in the repository, or beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str, limit_bytes: int) -> bytes:
        return read_bounded(self.root / path, limit_bytes)

    def write(self, path: str, data: bytes) -> None:
        place = self.root / path
        if not place.is_file() or digest_file(place) != digest_bytes(data):
            write_atomic(place, data)

    def remove(self, path: str) -> None:
        with writing(self.root / path):
            (self.root / path).unlink(missing_ok=True)


class Fetching(Protocol):
    """What reads files by name, such as `tinyops.remote.files.Remote`."""

    url: str

    def fetch(self, name: str, to: Sink, limit_bytes: int) -> None: ...


class Far:
    """A `Place` behind a URL."""

    def __init__(self, files: Fetching, patience: Patience) -> None:
        self.files = files
        self._patience = patience

    def end(self) -> None:
        """Whoever waits for it gives up: for Ctrl-C."""
        self._patience.end()

    def read(self, path: str, limit_bytes: int) -> bytes:
        where = f"{self.files.url}/{path}"

        def fetch() -> bytes:
            received = io.BytesIO()
            self.files.fetch(path, received, limit_bytes + 1)
            return received.getvalue()

        try:
            data = self._patience.call(f"reading {where}", fetch, limit_bytes)
        except FileNotFoundError:
            raise RemoteError(f"{where}: is not there", hint="`tinyops data push` uploads what is missing") from None
        if len(data) > limit_bytes:
            raise RemoteError(f"{where}: is larger than {limit_bytes:,} bytes, which the index says it has")
        return data


class Objects:
    """The files that an index names: read from a folder, or fetched once and kept on this machine by their digests.

    What was fetched needs no network again; `data fetch` fills the same cache from elsewhere. `dataset` is for
    messages.
    """

    def __init__(self, place: Place, dataset: str = "", cache: Path | None = None) -> None:
        self.place = place
        self.dataset = dataset or "DATASET"
        self.cache = cache_folder() / CACHE if cache is None else cache

    def read(self, entry: IndexEntry) -> bytes:
        """The bytes that a line names, nothing else. Raises SpecError, RemoteError, ToolError."""
        if isinstance(self.place, Folder) and (self.place.root / entry.path).is_file():
            return read_entry(self.place, entry)
        kept = self.kept(entry)
        if kept is not None:
            return kept
        if isinstance(self.place, Folder):
            raise SpecError(f"{self.place.root / entry.path}: is missing", hint=self._hint)
        return self._fetch(entry)

    def kept(self, entry: IndexEntry) -> bytes | None:
        """The bytes from the cache, if they are there and are the right ones."""
        path = self.kept_at(entry)
        if not path.is_file():
            return None
        data = read_bounded(path, FILE_LIMIT_BYTES)
        return data if digest_bytes(data) == entry.sha256 else None

    def kept_at(self, entry: IndexEntry) -> Path:
        digits = entry.sha256.removeprefix("sha256:")
        return self.cache / digits[:2] / digits[2:]

    def put(self, entry: IndexEntry, data: bytes) -> None:
        """Bytes of a new line: to its folder, or, of what lies behind a URL, to the cache until `data push`."""
        if isinstance(self.place, Folder):
            self.place.write(entry.path, data)
        else:
            self.keep(entry, data)

    def remove(self, entry: IndexEntry) -> None:
        """Bytes of a line that nobody has seen yet: from its folder, or from the cache. Raises ToolError."""
        if isinstance(self.place, Folder):
            self.place.remove(entry.path)
        with writing(self.kept_at(entry)):
            self.kept_at(entry).unlink(missing_ok=True)

    def keep(self, entry: IndexEntry, data: bytes) -> None:
        write_atomic(self.kept_at(entry), data)

    def ready(self, entries: Sequence[IndexEntry], report: Callable[[Progress], None]) -> None:
        """Brings what is not here, several at once; of a folder says at once what is missing.

        Raises SpecError for missing files, RemoteError for the first that cannot be fetched.
        """
        absent = self.absent(entries)
        if not absent:
            return
        if isinstance(self.place, Folder):
            names = ", ".join(e.path for e in absent[:SHOWN]) + (", …" if len(absent) > SHOWN else "")
            count = f"{len(absent):,} of {len({e.sha256 for e in entries}):,} files are missing"
            raise SpecError(f"{self.place.root}: {count}: {names}", hint=self._hint)
        try:
            fetch_all(absent, self._fetch, report)
        except BaseException:
            if isinstance(self.place, Far):
                self.place.end()
            raise

    def absent(self, entries: Sequence[IndexEntry]) -> list[IndexEntry]:
        """One line of each file that is neither in its folder nor in the cache; contents are looked at when read."""
        folder = self.place.root if isinstance(self.place, Folder) else None
        files = {entry.sha256: entry for entry in entries}
        return [
            entry
            for entry in files.values()
            if not ((folder is not None and (folder / entry.path).is_file()) or self.kept_at(entry).is_file())
        ]

    def pointers(self, entries: Sequence[IndexEntry]) -> list[IndexEntry]:
        """One line of each file in whose place a Git LFS pointer lies."""
        folder = self.place.root if isinstance(self.place, Folder) else None
        files = {entry.sha256: entry for entry in entries}
        return [e for e in files.values() if folder is not None and is_pointer(folder / e.path, e.sha256)]

    def _fetch(self, entry: IndexEntry) -> bytes:
        try:
            data = read_entry(self.place, entry)
        except RemoteError as error:
            raise RemoteError(error.message, hint=error.hint or f"is there a network? {self._hint}") from error
        self.keep(entry, data)
        return data

    @property
    def _hint(self) -> str:
        return f"`tinyops data fetch {self.dataset} --from DIR|URL` brings what the index names"


def fetch_all(
    entries: Sequence[IndexEntry],
    fetch: Callable[[IndexEntry], object],
    report: Callable[[Progress], None],
    *,
    doing: str = "fetching",
    done: str = "fetched",
) -> None:
    """Fetches files, several at once; after the first failure no further one is begun, and it is raised."""
    total = sum(entry.bytes or 0 for entry in entries)
    size = f", {total / 1e6:,.1f} MB" if total else ""
    report(Progress(0, len(entries), f"{doing} {len(entries):,} files{size}…", announce=True))
    pool = ThreadPoolExecutor(FETCHERS, thread_name_prefix="tinyops data")
    try:
        for number, _ in enumerate(pool.map(fetch, entries), 1):
            report(Progress(number, len(entries), f"{done} {number:,} of {len(entries):,} files"))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def data_folder(index: Path) -> Path:
    """Where an index's data lies when its source names no URL: `data/wrist` for `data/wrist.csv`."""
    return index.with_suffix("")


def read_entry(place: Place, entry: IndexEntry) -> bytes:
    """The bytes that an index's line names. Raises SpecError when they are others."""
    limit_bytes = FILE_LIMIT_BYTES if entry.bytes is None else min(entry.bytes, FILE_LIMIT_BYTES)
    where = str(place.root / entry.path) if isinstance(place, Folder) else entry.path
    data = place.read(entry.path, FILE_LIMIT_BYTES if isinstance(place, Folder) else limit_bytes)
    found = digest_bytes(data)
    if found == entry.sha256:
        return data
    if pointed_at(data) == entry.sha256:
        command = "push the files, not pointers"
        if isinstance(place, Folder):
            command = pull_command(place.root / entry.path)
        raise SpecError(f"{where}: is a Git LFS pointer, its content is not here", hint=command)
    if isinstance(place, Far):
        raise RemoteError(
            f"{place.files.url}/{entry.path}: is another file: the index says {entry.sha256}, it is {found}",
            hint="`tinyops data fetch DATASET --from DIR|URL` takes it from where it is still as it was",
        )
    raise SpecError(
        f"{where}: has changed: the index says {entry.sha256}, it is {found}",
        hint="bring the file back; recordings never change, a change is a new recording",
    )
