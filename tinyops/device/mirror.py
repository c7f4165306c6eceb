"""A mirror of a store's files, nearer to the device or open where the store is private: tried first, never believed."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from tinyops.device.source import Source, rewind
from tinyops.errors import RemoteError
from tinyops.manifest.entry import EntryFile
from tinyops.trust.origin import Fetched


class Mirrored:
    """Files come from the mirror, and from the store where that fails or has others; entries from the store alone."""

    def __init__(self, mirror: Source, store: Source) -> None:
        self._mirror, self._store = mirror, store

    def entry(self, name: str, etag: str) -> Fetched:
        return self._store.entry(name, etag)

    def asset(self, file: EntryFile, into: BinaryIO) -> None:
        try:
            self._mirror.asset(file, into)
            into.seek(0)
            if hashlib.file_digest(into, "sha256").hexdigest() == file.sha256:  # type: ignore[arg-type]
                return
        except RemoteError:
            pass
        rewind(into)
        self._store.asset(file, into)
