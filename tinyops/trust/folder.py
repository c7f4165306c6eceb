"""Metadata in a folder that a web server shows: new files first, `timestamp.json` last, by rename."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tinyops.errors import RemoteError, SpecError
from tinyops.files import digest_bytes, read_bounded, write_atomic, writing
from tinyops.trust.places import Moved
from tinyops.trust.roles import METADATA_LIMIT_BYTES, TIMESTAMP_FILE

_LOCK = ".lock"
_HALF = re.compile(r"\..+\.(json|log)\.[a-z0-9_]{8}")  # as `write_atomic` names what it has not renamed yet


@dataclass(frozen=True)
class FolderView:
    """Files never change once they are written, but for two: the timestamp is read once."""

    root: Path
    timestamp: bytes | None

    @property
    def revision(self) -> str:
        return digest_bytes(self.timestamp) if self.timestamp is not None else ""

    def read(self, name: str) -> bytes | None:
        return self.timestamp if name == TIMESTAMP_FILE else _read(self.root / name)

    def names(self) -> Collection[str]:
        found = (path for path in self.root.rglob("*") if path.is_file())
        return frozenset(str(p.relative_to(self.root)) for p in found if not p.name.startswith("."))


@dataclass(frozen=True)
class FolderPlace:
    """`.lock` in the folder keeps two publishers of one machine apart; the timestamp's digest is what they saw."""

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    def look(self) -> FolderView:
        return FolderView(self.root, _read(self.root / TIMESTAMP_FILE))

    def change(self, files: Mapping[str, bytes], gone: Collection[str], revision: str, why: str) -> None:  # noqa: ARG002 a folder has no history
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if self.look().revision != revision:
                raise Moved(f"{self.root}: somebody else published metadata just now", hint="run the same again")
            self._sweep()
            for name, data in files.items():
                self._write(self.root / name, data)
            for name in gone:
                with writing(self.root / name):
                    (self.root / name).unlink(missing_ok=True)

    def _write(self, path: Path, data: bytes) -> None:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        if _read(path) != data:
            before = int(path.stat().st_mtime) if path.exists() else 0
            write_atomic(path, data)
            _date_after(path, before)

    def _sweep(self) -> None:
        """Under the lock nobody else writes, so what is not finished is of a publisher that was killed."""
        for path in self.root.rglob(".*"):
            if path.is_file() and _HALF.fullmatch(path.name):  # a web server's own .htaccess is none
                path.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with writing(self.root / _LOCK):
            stream = (self.root / _LOCK).open("a")
        with stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def _date_after(path: Path, before: int) -> None:
    """Web servers make ETags of whole seconds and sizes: two editions of one second must not look the same."""
    with writing(path):
        if path.stat().st_mtime < before + 1:
            os.utime(path, (before + 1, before + 1))


def _read(path: Path) -> bytes | None:
    if not path.exists():
        return None
    try:
        return read_bounded(path, METADATA_LIMIT_BYTES)
    except SpecError as error:
        raise RemoteError(error.message, hint=error.hint) from None
