"""The artifact store: a folder on this machine, and behind it, where the project names a URL, one that many share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tinyops.artifacts import Artifact, Record
from tinyops.errors import RemoteError
from tinyops.store.folder import Folder, record_name
from tinyops.store.records import Notary, Taken, Untrusted
from tinyops.store.shared import Shared


class Store:
    """Where steps leave what they made, and where they look before they run.

    Everything is in the folder first: a step works on paths, and what a run made stays when the remote
    one fails. A record is taken only with all its objects, intact, and only when the notary takes it.
    """

    def __init__(
        self, folder: Folder, notary: Notary, shared: Shared | None = None, warn: Callable[[str], None] = lambda _: None
    ) -> None:
        self.folder = folder
        self.notary = notary
        self.shared = shared
        self.warn = warn
        self._lock = threading.Lock()
        self._warned: set[str] = set()

    @property
    def root(self) -> Path:
        return self.folder.root

    def find(self, artifact: Artifact) -> Path | None:
        """The path of an intact object, or None. One that only the remote store has is fetched."""
        if (path := self.folder.find(artifact)) is not None or self.shared is None:
            return path
        try:
            with self.folder.incoming(artifact) as stream:
                if not self.shared.fetch(artifact, stream, self.folder.object_path(artifact.digest)):
                    raise _Absent
        except _Absent:
            return None
        return self.folder.object_path(artifact.digest)

    def add(self, source: Path) -> Artifact:
        """Copies a file into the folder and returns what it is."""
        return self.folder.add(source)

    def lookup(self, key: str) -> Record | None:
        """The record of a key that is trusted and whose outputs are all there and intact, or None."""
        here = self.folder.read_record(key)
        if here is not None and (taken := self._take(key, *here)) is not None and self._has(taken.record):
            self._share(taken, here[0])
            return taken.record
        there = self.shared.read_record(key) if self.shared is not None else None
        if there is None or (taken := self._take_remote(key, there)) is None or not self._has(taken.record):
            return None
        self.folder.write_record(key, there)
        return taken.record

    def peek(self, key: str) -> Record | None:
        """The record of a key that is trusted, without a look at its outputs."""
        if (here := self.folder.read_record(key)) is not None and (taken := self._take(key, *here)) is not None:
            return taken.record
        there = self.shared.read_record(key) if self.shared is not None else None
        taken = self._take_remote(key, there) if there is not None else None
        return taken.record if taken is not None else None

    def save(self, record: Record) -> None:
        """Finishes a step: its record appears after its outputs, here and then in the remote store.

        That the remote store fails is said and changes nothing: it is a cache.
        """
        data = self.notary.seal(record)
        self.folder.write_record(record.key, data)
        self._push(record, data)

    def _share(self, taken: Taken, data: bytes) -> None:
        """Makes up for what an earlier run here could not do: sign its record, put it into the remote store."""
        record = taken.record
        if not taken.signed:
            if not self.notary.vouches:
                return
            data = self.notary.seal(record)
            self.folder.write_record(record.key, data)
        if self.shared is None or self.notary.key is None:
            return
        there = self.shared.read_record(record.key)
        if there is None or self._take_remote(record.key, there) is None:
            self._push(record, data)

    def _push(self, record: Record, data: bytes) -> None:
        if self.shared is None:
            return
        if self.notary.key is None:
            self._warn_once("the key that signs records is not here: what this run makes stays on this machine")
            return
        outputs = {a.digest: a for a in record.outputs.values()}
        if all(self.shared.push(a, self.folder.object_path(a.digest)) for a in outputs.values()):
            self.shared.push_record(record.key, data)

    def scratch(self, name: str) -> AbstractContextManager[Path]:
        return self.folder.scratch(name)

    def sweep(self) -> None:
        self.folder.sweep()

    def using(self) -> AbstractContextManager[None]:
        """While the block runs, nothing is collected. Raises Leased."""
        return self.folder.using()

    def interrupt(self) -> None:
        """Ends whatever waits for the remote store."""
        if self.shared is not None:
            self.shared.patience.end()

    def _has(self, record: Record) -> bool:
        return all(self.find(artifact) for artifact in record.outputs.values())

    def _take(self, key: str, data: bytes, own: bool) -> Taken | None:
        try:
            return self.notary.take(data, key, where=str(self.folder.record_path(key)), own=own)
        except Untrusted as untrusted:  # its own run may take it: it stays
            self._refuse(untrusted)
        except RemoteError:
            self.folder.drop_record(key)
        return None

    def _take_remote(self, key: str, data: bytes) -> Taken | None:
        assert self.shared is not None
        where = f"{self.shared.remote.url}/{record_name(key)}"
        try:
            return self.notary.take(data, key, where=where, own=False)
        except Untrusted as untrusted:
            self._refuse(untrusted)
        except RemoteError as error:
            self._warn_once(f"{error.message}: it counts as absent")
        return None

    def _refuse(self, untrusted: Untrusted) -> None:
        """Said once for each run that made such records: there may be one for every step."""
        made_by = f"records made by {untrusted.run}"
        self._warn_once(f"the store holds {made_by} that no trusted key signed: not taken, their steps run again")

    def _warn_once(self, text: str) -> None:
        with self._lock:
            first = text not in self._warned
            self._warned.add(text)
        if first:
            self.warn(text)


class _Absent(Exception):
    """Not in the remote store."""


def take_outputs(store: Store, out: Path) -> dict[str, Artifact]:
    """Adds every file below a step's output folder to the store, by its relative name."""
    files = sorted(p for p in out.rglob("*") if p.is_file())
    return {p.relative_to(out).as_posix(): store.add(p) for p in files}
