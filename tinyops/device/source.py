"""Where an agent fetches from: what every source offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Protocol

from tinyops.errors import RemoteError
from tinyops.files import CHUNK_BYTES
from tinyops.manifest.entry import EntryFile
from tinyops.trust.origin import Fetched

LATEST = "latest"


class Interrupted(RemoteError):
    """What was going well ended in the middle: asking again for the rest may do."""


class Source(Protocol):
    """A release store as devices see it: a small signed entry, then files by release tag and name."""

    def entry(self, name: str, etag: str) -> Fetched:
        """The newest entry, at most ENTRY_LIMIT_BYTES. Raises RemoteError."""

    def asset(self, file: EntryFile, into: BinaryIO) -> None:
        """Writes until `into`, which may hold the file's first bytes, holds exactly `file.bytes`.

        Raises RemoteError; what came before that may do for another try. The digest is the caller's to check, on what
        reached the disk.
        """


def copy_exactly(read: Callable[[int], bytes], into: BinaryIO, length: int, *, where: str, start: int = 0) -> None:
    """Copies what a file of `length` bytes has from `start` on, and insists that this is all. Raises RemoteError."""
    left = length - start
    while left:
        chunk = read(min(left, CHUNK_BYTES))
        if not chunk:
            raise Interrupted(f"{where}: ended after {length - left:,} of {length:,} bytes")
        into.write(chunk)
        left -= len(chunk)
    if read(1):
        raise RemoteError(f"{where}: longer than the {length:,} bytes that its signed entry names")


def rewind(into: BinaryIO) -> None:
    """Forgets what was written: it is not what is wanted."""
    into.seek(0)
    into.truncate()
