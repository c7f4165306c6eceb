"""Earlier releases: what one of them holds is never made again, whoever goes back to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tinyops.artifacts import Record
from tinyops.errors import TinyopsError
from tinyops.files import MIB, pretty_json, write_atomic
from tinyops.manifest.document import Asset, Manifest
from tinyops.release.store import ReleaseStore, Unreachable

FAR = 200  # releases that a search goes back: behind a network each is a request until its keys are known here
INDEX_LIMIT_BYTES = 16 * MIB


@dataclass(frozen=True)
class Found:
    """A step's record, and the release that holds it with its files."""

    record: Record
    manifest: Manifest


@dataclass
class Past:
    """The releases up to `latest`, newest first, read when they are needed.

    `folder` keeps the keys of each, for releases never change: they say where to look, and what is found
    there is read from the signed manifest. A release that is gone, or that no key of today vouches for, is
    passed over.
    """

    store: ReleaseStore
    latest: int
    folder: Path
    _manifests: dict[int, Manifest | None] = field(default_factory=dict)
    _keys: dict[int, frozenset[str]] = field(default_factory=dict)

    def find(self, kind: str, key: str) -> Found | None:
        """The newest earlier record of a step of this kind with this key."""
        for version in range(self.latest - 1, max(self.latest - 1 - FAR, 0), -1):
            if key in self._keys_of(version) and (manifest := self.read(version)) is not None:
                for record in _records(manifest, kind):
                    if record.key == key:
                        return Found(record, manifest)
        return None

    def find_output(self, kind: str, output: str, digest: str) -> Found | None:
        """The newest record of a kind, the latest release's first, that made this file."""
        for version in range(self.latest, max(self.latest - FAR, 0), -1):
            if (manifest := self.read(version)) is not None:
                for record in _records(manifest, kind):
                    if output in record.outputs and record.outputs[output].digest == digest:
                        return Found(record, manifest)
        return None

    def assets(self) -> dict[str, Asset]:
        """By digest, of the releases that something was found in."""
        found: dict[str, Asset] = {}
        for _, manifest in sorted(self._manifests.items()):
            found |= manifest.assets if manifest is not None else {}
        return found

    def holder(self, digest: str) -> Manifest | None:
        """The release, of those read so far, that names a file."""
        return next((m for m in self._manifests.values() if m is not None and digest in m.assets), None)

    def _keys_of(self, version: int) -> frozenset[str]:
        if version not in self._keys:
            self._keys[version] = self._indexed(version)
        return self._keys[version]

    def _indexed(self, version: int) -> frozenset[str]:
        path = self.folder / f"v{version}.json"
        with suppress(OSError, ValueError, TypeError, KeyError):
            if path.stat().st_size <= INDEX_LIMIT_BYTES:
                return frozenset(json.loads(path.read_bytes())["keys"])
        manifest = self.read(version)
        if manifest is None:
            return frozenset()
        keys = sorted({record.key for record in manifest.steps.values()})
        with suppress(TinyopsError):  # a cache that cannot be written costs time only
            write_atomic(path, pretty_json({"keys": keys}))
        return frozenset(keys)

    def read(self, version: int) -> Manifest | None:
        """A release; None for one that is gone or cannot be trusted."""
        if version not in self._manifests:
            try:
                self._manifests[version] = self.store.read(version).manifest
            except Unreachable:  # perhaps it is there: nothing may be made again for that
                raise
            except TinyopsError:
                self._manifests[version] = None
        return self._manifests[version]


def _records(manifest: Manifest, kind: str) -> Iterator[Record]:
    return (record for step, record in manifest.steps.items() if step.startswith(f"{kind}:"))
