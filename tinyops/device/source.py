"""Where an agent fetches from: what every source offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from tinyops.errors import RemoteError
from tinyops.files import CHUNK_BYTES
from tinyops.manifest.entry import EntryFile

LATEST = "latest"


@dataclass(frozen=True)
class Fetched:
    """An answer to a poll: `body` is None when nothing changed since `etag` was given out."""

    body: bytes | None
    etag: str


class Source(Protocol):
    """A release store as devices see it: a small signed entry, then files by release tag and name."""

    def entry(self, name: str, etag: str) -> Fetched:
        """The newest entry, at most ENTRY_LIMIT_BYTES. Raises RemoteError."""

    def asset(self, file: EntryFile, into: BinaryIO) -> None:
        """Writes exactly `file.bytes` bytes. Raises RemoteError; what was written is then worthless.

        The digest is the caller's to check, on what reached the disk.
        """


def copy_exactly(read: Callable[[int], bytes], into: BinaryIO, length: int, *, where: str) -> None:
    """Copies `length` bytes and insists that they are all. Raises RemoteError."""
    left = length
    while left:
        chunk = read(min(left, CHUNK_BYTES))
        if not chunk:
            raise RemoteError(f"{where}: ended after {length - left:,} of {length:,} bytes")
        into.write(chunk)
        left -= len(chunk)
    if read(1):
        raise RemoteError(f"{where}: longer than the {length:,} bytes that its signed entry names")
