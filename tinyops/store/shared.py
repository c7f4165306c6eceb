"""The remote half of a store. It is a cache: what fails or is damaged there counts as absent, and is said once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from tinyops.artifacts import Artifact
from tinyops.errors import RemoteError
from tinyops.files import MIB, writing
from tinyops.remote.files import Patience, Remote, Stored
from tinyops.store.folder import object_name, record_name
from tinyops.store.records import RECORD_LIMIT_BYTES

DAY_S = 86_400.0
LISTING_ALLOWANCE = 100 * MIB  # a listing of many thousand files takes as long as so many bytes may
FRESH_S = DAY_S  # an object as young as this is not put again, and `gc` lets it be

_SHOWN_NAME = 20

Result = TypeVar("Result")


class Shared:
    """Objects and records behind a URL, for many machines.

    After one operation that failed or reached its limit nothing more is read (or written) there in this
    run, so that a store that stalls costs its limit once, not once a step.
    """

    def __init__(self, remote: Remote, patience: Patience, warn: Callable[[str], None]) -> None:
        self.remote = remote
        self.patience = patience
        self.warn = warn
        self._lock = threading.Lock()
        self._closed: set[str] = set()
        self._damaged: set[str] = set()

    @property
    def failed(self) -> bool:
        """Whether an operation failed, so that what is there is not all known."""
        return bool(self._closed)

    def fetch(self, artifact: Artifact, to: BinaryIO, path: Path) -> bool:
        """Fills the file of a path; False when the object is not there intact. Raises ToolError if the disk refuses."""
        name, received = object_name(artifact.digest), _Received(to, path)

        def fetch() -> bool:
            received.restart()
            self.remote.fetch(name, received, artifact.bytes + 1)
            return True

        if not self._try("read", f"reading {_short(name)}", fetch, artifact.bytes):
            return False
        if received.artifact == artifact:
            return True
        self._say(artifact.digest, f"{self.remote.url}/{name} is damaged or cut short: it counts as absent")
        return False

    def push(self, artifact: Artifact, source: Path) -> bool:
        """Puts an object; False when it could not be put. One that is there already is left alone while it is young."""
        name = object_name(artifact.digest)

        def put() -> bool:
            if not self._is_there(artifact, name):
                self.remote.put(name, source)
            return True

        return bool(self._try("write", f"writing {_short(name)}", put, artifact.bytes))

    def read_record(self, key: str) -> bytes | None:
        name = record_name(key)
        return self._try("read", f"reading {_short(name)}", lambda: self.remote.read(name, RECORD_LIMIT_BYTES + 1))

    def push_record(self, key: str, data: bytes) -> bool:
        """Puts a record, after its objects; one of the same key is replaced."""
        name = record_name(key)

        def write() -> bool:
            self.remote.write(name, data)
            return True

        return bool(self._try("write", f"writing {_short(name)}", write, len(data)))

    # What `gc` does raises RemoteError: it has to know, and nobody waits for it.

    def listing(self) -> list[Stored]:
        """Every file that is there."""
        return self.patience.call("listing it", lambda: list(self.remote.listing()), LISTING_ALLOWANCE)

    def read(self, name: str) -> bytes:
        return self.patience.call(f"reading {name}", lambda: self.remote.read(name, RECORD_LIMIT_BYTES + 1))

    def remove(self, name: str) -> None:
        self.patience.call(f"removing {name}", lambda: self.remote.remove(name))

    def _is_there(self, artifact: Artifact, name: str) -> bool:
        if artifact.digest in self._damaged:
            return False
        try:
            found = self.remote.stat(name)
        except FileNotFoundError:
            return False
        return found.bytes == artifact.bytes and found.age_s is not None and found.age_s < FRESH_S

    def _try(self, way: str, what: str, operation: Callable[[], Result], size: int = 0) -> Result | None:
        if way in self._closed:
            return None
        try:
            return self.patience.call(what, operation, size)
        except FileNotFoundError as error:
            if way == "write":  # a bucket or a folder that there is not
                self._close(way, f"{what}: {error}")
        except RemoteError as error:
            self._close(way, error.message)
        return None

    def _close(self, way: str, message: str) -> None:
        with self._lock:
            first = way not in self._closed
            self._closed.add(way)
        if first and not self.patience.ended:
            follows = "nothing more is read from it" if way == "read" else "nothing more is put there"
            self.warn(f"the store {self.remote.url} failed: {message}; {follows} in this run")

    def _say(self, digest: str, text: str) -> None:
        with self._lock:
            first = digest not in self._damaged
            self._damaged.add(digest)
        if first:
            self.warn(text)


class _Received:
    """What came of an object: written to a file of this machine, and known by its digest at the end."""

    def __init__(self, to: BinaryIO, path: Path) -> None:
        self._to = to
        self._path = path
        self._sha256 = hashlib.sha256()
        self._bytes = 0

    def restart(self) -> None:
        """Forgets what an attempt before brought."""
        self._to.seek(0)
        self._to.truncate()
        self._sha256, self._bytes = hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        with writing(self._path):
            self._to.write(data)
        self._sha256.update(data)
        self._bytes += len(data)

    @property
    def artifact(self) -> Artifact:
        return Artifact(f"sha256:{self._sha256.hexdigest()}", self._bytes)


def _short(name: str) -> str:
    """A name as messages show it: digests are long."""
    return f"{name[:_SHOWN_NAME]}…"
