"""A file on its way to GitHub: hashed as it goes, and within a time limit however slowly it is taken."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import BinaryIO

from tinyops.errors import ToolError
from tinyops.files import digest_bytes, digest_file
from tinyops.release.github.patience import Patience

ASSET_LIMIT_BYTES = 2 * 1024**3 - 1  # GitHub takes files below 2 GiB
READ_BYTES = 256 * 1024


class Outgoing:
    """What requests reads an upload from; `digest` is what went out since the last rewind.

    Closes with the block that it is used in.
    """

    def __init__(self, source: Path | bytes, patience: Patience) -> None:
        self._stream: BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
        self._patience = patience
        self._stream.seek(0, io.SEEK_END)
        self.bytes = self._stream.tell()
        self.seek(0)

    def __enter__(self) -> Outgoing:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __len__(self) -> int:
        return self.bytes

    def seek(self, position: int) -> None:
        """Back to the start, which begins the time limit anew."""
        self._stream.seek(position)
        self._sha256 = hashlib.sha256()
        self._deadline = self._patience.deadline(self.bytes)

    def read(self, limit: int = -1) -> bytes:
        """Raises TimeoutError when the time is up."""
        if self._patience.clock() > self._deadline:
            raise TimeoutError("too slow")
        data = self._stream.read(READ_BYTES if limit < 0 else min(limit, READ_BYTES))
        self._sha256.update(data)
        return data

    @property
    def digest(self) -> str:
        return f"sha256:{self._sha256.hexdigest()}"


def check_source(name: str, source: Path | bytes, digest: str) -> int:
    """The length of what is to be uploaded. Raises ToolError when it changed, or GitHub takes no such file."""
    if isinstance(source, bytes):
        length, found = len(source), digest_bytes(source)
    else:
        try:
            length, found = source.stat().st_size, digest_file(source)
        except OSError as error:
            raise ToolError(f"{source}: to be released, but cannot be read: {error.strerror}") from error
    if found != digest:
        raise ToolError(f"{source!s}: changed since it was built: its digest is not {digest}", hint="apply again")
    if not 0 < length <= ASSET_LIMIT_BYTES:
        raise ToolError(f"{name}: {length:,} bytes; GitHub takes files of 1 byte to {ASSET_LIMIT_BYTES:,} bytes")
    return length
