"""Images on this machine's disk by their digests: fetched once for all devices that need them, verified as they lie
there, bounded in size, swept.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from tinyops.device.source import Source
from tinyops.device.update.decide import Delta, Offer
from tinyops.device.update.files import IMAGE_LIMIT_BYTES
from tinyops.errors import RemoteError, ToolError
from tinyops.files import digest_file, read_bounded, replacing
from tinyops.images import read_image
from tinyops.manifest.entry import EntryDelta, EntryFile, EntryImage

PARTS = "."  # what such names begin with is half-written, and was never renamed

_Lock: TypeAlias = AbstractContextManager[bool]


@dataclass
class Fetched:
    """What was fetched since the start."""

    files: int = 0
    bytes: int = 0


class Content:
    """`<folder>/<sha256>`. All may be called from several threads."""

    def __init__(self, folder: Path, source: Source, limit_bytes: int) -> None:
        """Raises ToolError when the folder cannot be made."""
        self._folder, self._source, self._limit = folder, source, limit_bytes
        self.fetched = Fetched()
        self._lock = threading.Lock()
        self._locks: dict[str, _Lock] = {}
        self._offers: dict[str, Offer] = {}
        self._wanted: frozenset[str] = frozenset()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for part in folder.glob(f"{PARTS}*"):
                part.unlink()
        except OSError as error:
            raise ToolError(f"{folder}: cannot be written: {error.strerror}") from error

    @property
    def held_bytes(self) -> int:
        return sum(size for size, _ in self._files().values())

    def offer(self, image: EntryImage) -> Offer:
        """An image to be sent, fetched unless it is there. Raises RemoteError, ToolError."""
        with self._lock_of(image.sha256):
            found = self._offers.get(image.sha256)
            if found is None:
                where = f"{image.tag}/{image.asset}"
                data = self.file(image, IMAGE_LIMIT_BYTES)
                read = read_image(data, where=where)
                if read.digest.hex() != image.image:
                    raise RemoteError(f"{where}: is not the image that its signed entry names")
                deltas = tuple(self._delta(delta) for delta in image.deltas)
                found = self._offers[image.sha256] = Offer(read, data, where, deltas)
            return found

    def _delta(self, file: EntryDelta) -> Delta:
        """Fetched when a device runs its base."""
        read = partial(self.file, file, IMAGE_LIMIT_BYTES)
        return Delta(bytes.fromhex(file.base), file.bytes, f"{file.tag}/{file.asset}", read)

    def file(self, file: EntryFile, limit_bytes: int) -> bytes:
        """A file's bytes, as verified. Raises RemoteError, ToolError."""
        where = f"{file.tag}/{file.asset}"
        if file.bytes > min(limit_bytes, self._limit):
            raise RemoteError(f"{where}: {file.bytes:,} bytes are more than is fetched here", hint="raise cache_mib")
        path = self._folder / file.sha256
        with self._lock_of(file.sha256):
            if not self._intact(path, file):
                self._fetch(path, file, where)
            return read_bounded(path, limit_bytes)

    def sweep(self, wanted: Collection[str]) -> None:
        """Drops what is read into memory and, while there is more on the disk than may be, what nobody wants, the
        longest unused first."""
        with self._lock:
            self._wanted = frozenset(wanted)
            self._locks = {digest: lock for digest, lock in self._locks.items() if digest in wanted}
            self._offers = {digest: offer for digest, offer in self._offers.items() if digest in wanted}
        self._make_room(0, wanted)

    def forget_read(self) -> None:
        """Drops what is read into memory."""
        with self._lock:
            self._offers = {}

    def _fetch(self, path: Path, file: EntryFile, where: str) -> None:
        self._make_room(file.bytes, self._wanted)
        with replacing(path) as stream:
            self._source.asset(file, stream)
        if digest_file(path) != file.digest:
            path.unlink()
            raise RemoteError(
                f"{where}: has another digest than its signed entry names",
                hint="the store, or the way to it, is broken",
            )
        self.fetched.files += 1
        self.fetched.bytes += file.bytes

    def _intact(self, path: Path, file: EntryFile) -> bool:
        """By the bytes on the disk: what was damaged there is fetched again."""
        try:
            if path.stat().st_size != file.bytes or digest_file(path) != file.digest:
                return False
            os.utime(path)
        except OSError:
            return False
        return True

    def _make_room(self, more_bytes: int, wanted: Collection[str]) -> None:
        files = self._files()
        over = sum(size for size, _ in files.values()) + more_bytes - self._limit
        for path in sorted(files, key=lambda one: files[one][1]):
            if over <= 0:
                return
            if path.name not in wanted:
                with contextlib.suppress(OSError):
                    path.unlink()
                    over -= files[path][0]

    def _files(self) -> dict[Path, tuple[int, float]]:
        """Size and last use of each whole file."""
        found = {}
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._folder):
                if not entry.name.startswith(PARTS):
                    with contextlib.suppress(OSError):
                        about = entry.stat()
                        found[Path(entry.path)] = (about.st_size, about.st_mtime)
        return found

    def _lock_of(self, digest: str) -> _Lock:
        with self._lock:
            return self._locks.setdefault(digest, threading.RLock())
