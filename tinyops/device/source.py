"""Where an agent fetches from: a folder, or files on a web server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from tinyops.errors import RemoteError, UsageError
from tinyops.files import CHUNK_BYTES
from tinyops.manifest.entry import ENTRY_LIMIT_BYTES, EntryFile

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


class DirectorySource:
    """A release store in a folder, such as a mounted share."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entry(self, name: str, etag: str) -> Fetched:  # noqa: ARG002 a file is read in less than a question takes
        path = self.root / LATEST / name
        try:
            with path.open("rb") as stream:
                body = stream.read(ENTRY_LIMIT_BYTES + 1)
        except OSError as error:
            raise RemoteError(f"{path}: cannot be read: {error.strerror}", hint=_NO_ENTRY_HINT) from error
        if len(body) > ENTRY_LIMIT_BYTES:
            raise RemoteError(f"{path}: larger than {ENTRY_LIMIT_BYTES:,} bytes")
        return Fetched(body, "")

    def asset(self, file: EntryFile, into: BinaryIO) -> None:
        path = self.root / file.tag / file.asset
        try:
            reader = path.open("rb")
        except OSError as error:
            raise RemoteError(f"{path}: cannot be read: {error.strerror}") from error
        with reader:
            copy_exactly(lambda want: _read(reader, want, path), into, file.bytes, where=str(path))


def open_source(store: str, timeout_s: float) -> Source:
    """The source for a path or an http(s) URL. Raises UsageError."""
    if store.startswith(("http://", "https://")):
        from tinyops.device.web import WebSource

        return WebSource(store, timeout_s=timeout_s)
    if "://" in store:
        raise UsageError(f"{store}: a store is a folder or an http(s) URL")
    return DirectorySource(Path(store))


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


def _read(reader: BinaryIO, want: int, path: Path) -> bytes:
    try:
        return reader.read(want)
    except OSError as error:
        raise RemoteError(f"{path}: cannot be read: {error.strerror}") from error


_NO_ENTRY_HINT = "is the store's path right, and does the newest release offer this fleet and board?"
