"""The folder that steps work in: content-addressed objects and records, on this machine.

`objects/ab/cdef…` holds bytes by digest; `records/<key>.json` says which objects a step made. Both
appear by rename and are checked when read. Safe for concurrent writers, for every file is named by its
content or its key.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from tinyops.artifacts import Artifact
from tinyops.errors import Leased
from tinyops.files import CHUNK_BYTES, digest_file, replacing, write_atomic, writing
from tinyops.remote.files import Stored
from tinyops.store.records import RECORD_LIMIT_BYTES

OBJECTS, RECORDS, SCRATCH = "objects", "records", "scratch"
LOCK = "in-use"
PATIENCE_S = 60.0
_POLL_S = 0.1


def object_name(digest: str) -> str:
    """The path of an object below a store, a folder or a remote one."""
    hexdigest = digest.removeprefix("sha256:")
    return f"{OBJECTS}/{hexdigest[:2]}/{hexdigest[2:]}"


def record_name(key: str) -> str:
    return f"{RECORDS}/{key.removeprefix('sha256:')}.json"


class Folder:
    """The store's part on this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def object_path(self, digest: str) -> Path:
        return self.root / object_name(digest)

    def record_path(self, key: str) -> Path:
        return self.root / record_name(key)

    def find(self, artifact: Artifact) -> Path | None:
        """The path of an intact object, or None.

        A damaged one stays until a whole one is renamed over it: whoever removed it by name after having read it
        might remove the whole one that another writer has put there meanwhile.
        """
        path = self.object_path(artifact.digest)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size == artifact.bytes and digest_file(path) == artifact.digest:
                return path
        return None

    def add(self, source: Path) -> Artifact:
        """Copies a file into the store and returns what it is."""
        artifact = Artifact(digest_file(source), source.stat().st_size)
        if (there := self.find(artifact)) is not None:
            with contextlib.suppress(OSError):
                os.utime(there)  # wanted again: `gc` goes by age
            return artifact
        with self.incoming(artifact) as writer, source.open("rb") as reader:
            shutil.copyfileobj(reader, writer, CHUNK_BYTES)
        return artifact

    def incoming(self, artifact: Artifact) -> AbstractContextManager[BinaryIO]:
        """A stream whose bytes become the object at the end, and nothing when the block raises."""
        return replacing(self.object_path(artifact.digest), mode=0o444)

    def read_record(self, key: str) -> tuple[bytes, bool] | None:
        """A record's file, and whether nobody but this user can have written it."""
        try:
            with self.record_path(key).open("rb") as stream:
                status = os.fstat(stream.fileno())
                data = stream.read(RECORD_LIMIT_BYTES + 1)
        except FileNotFoundError:
            return None
        shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        return data, status.st_uid == os.getuid() and not shared

    def write_record(self, key: str, data: bytes) -> None:
        """Finishes a step: its record appears by rename, after its outputs."""
        write_atomic(self.record_path(key), data)

    def drop_record(self, key: str) -> None:
        self.record_path(key).unlink(missing_ok=True)

    @contextlib.contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """An empty folder for a running step, removed at the end; a crash leaves it to `sweep`."""
        folder = self.root / SCRATCH
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            safe = "".join(c if c.isalnum() else "-" for c in name)
            path = Path(tempfile.mkdtemp(dir=folder, prefix=f"{os.getpid()}.{safe}."))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def listing(self) -> Iterator[Stored]:
        """Every object and record, and what writers left unfinished."""
        now = time.time()
        for top in (OBJECTS, RECORDS):
            for path in sorted((self.root / top).rglob("*")):
                with contextlib.suppress(FileNotFoundError):
                    status = path.lstat()
                    if not stat.S_ISDIR(status.st_mode):
                        yield Stored(path.relative_to(self.root).as_posix(), status.st_size, now - status.st_mtime)

    def read(self, name: str) -> bytes:
        """A file by its name below the store, bounded as a record is."""
        with (self.root / name).open("rb") as stream:
            return stream.read(RECORD_LIMIT_BYTES + 1)

    def remove(self, name: str) -> None:
        path = self.root / name
        with writing(path):
            path.unlink(missing_ok=True)

    def abandoned(self) -> list[Path]:
        """What dead processes left in scratch."""
        paths = sorted((self.root / SCRATCH).glob("*"))
        owners = ((path, path.name.split(".")[0]) for path in paths)
        return [path for path, owner in owners if owner.isdigit() and not Path(f"/proc/{owner}").exists()]

    def sweep(self) -> None:
        """Removes what dead processes left in scratch."""
        for path in self.abandoned():
            shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        """While the block runs, nothing is collected. Many may use a folder at once. Raises Leased."""
        with self._locked(fcntl.LOCK_SH, PATIENCE_S, "`tinyops gc` is collecting it"):
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While the block runs, nobody else uses the folder. Raises Leased at once when somebody does."""
        with self._locked(fcntl.LOCK_EX, 0, "a build is using it"):
            yield

    @contextlib.contextmanager
    def _locked(self, kind: int, wait_s: float, reason: str) -> Iterator[None]:
        """The kernel gives the lock back when a process dies, so a dead one never holds it."""
        path = self.root / LOCK
        with writing(path):
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            limit = time.monotonic() + wait_s
            while not _try_lock(descriptor, kind):
                if time.monotonic() >= limit:
                    raise Leased(f"{self.root}: {reason}", hint="run the same command again when it has ended")
                time.sleep(_POLL_S)
            yield
        finally:
            os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
