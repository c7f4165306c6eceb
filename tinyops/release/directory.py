"""The directory store: `v3/` holds a release's files, `latest` points to the newest, any web server serves it.

A release is published by the rename of a finished draft folder; `latest` follows. A process killed
between the two leaves a complete release, and whoever takes the lease next moves `latest`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from tinyops.errors import RemoteError, ToolError, UnsafePlan
from tinyops.files import CHUNK_BYTES, digest_file, sync_folder, writing
from tinyops.manifest.document import MANIFEST_ASSET, MANIFEST_LIMIT_BYTES, Manifest, read_manifest, tag_of
from tinyops.manifest.keys import Trust
from tinyops.release.lease import holding
from tinyops.release.store import (
    AssetFiles,
    Lease,
    Release,
    SignedRelease,
    check_documents,
    check_follows,
    check_release,
)

LATEST = "latest"
NOTES = "notes.md"
_DRAFT = ".draft-"
_NEW_LATEST = ".latest-"
_VERSION = re.compile(r"v([1-9][0-9]{0,8})")


class DirectoryStore:
    """Releases of one project in a folder. `trust` are the keys that sign them; `waits`: people sign before a release
    is offered."""

    def __init__(self, root: Path, project: str, trust: Trust, *, waits: bool = False) -> None:
        self.root = root
        self.project = project
        self.trust = trust
        self.waits = waits

    def __str__(self) -> str:
        return str(self.root)

    def has_releases(self) -> bool:
        return any(self.root.glob(f"v*/{MANIFEST_ASSET}"))

    def latest(self) -> Release | None:
        version = self._newest()
        return self.read(version) if version else None

    def read(self, version: int) -> Release:
        path = self.root / tag_of(version) / MANIFEST_ASSET
        manifest, digest = read_manifest(_read(path), self.trust, where=str(path))
        if (manifest.project, manifest.version) != (self.project, version):
            raise RemoteError(f"{path}: is {manifest.tag} of {manifest.project}, not v{version} of {self.project}")
        return Release(manifest, digest)

    def fetch_output(self, manifest: Manifest, digest: str) -> Path:
        if digest not in manifest.assets:
            raise RemoteError(f"{manifest.tag}: {digest} is not among the released files")
        file = manifest.file(digest)
        path = self.root / file.tag / file.asset
        try:
            intact = path.stat().st_size == file.bytes and digest_file(path) == digest
        except OSError as error:
            raise RemoteError(f"{path}: released asset cannot be read: {error.strerror}", hint=_COPY_HINT) from error
        if not intact:
            raise RemoteError(f"{path}: released asset is damaged: its digest is not {digest}", hint=_COPY_HINT)
        return path

    def documents(self, release: Release) -> dict[str, bytes]:
        folder = self.root / release.manifest.tag
        return check_documents(release, lambda name: _read(folder / name), self.trust)

    def offered(self) -> int:
        link = self.root / LATEST
        match = _VERSION.fullmatch(link.readlink().name) if link.is_symlink() else None
        return int(match.group(1)) if match else 0

    def offer(self, version: int, lease: Lease) -> None:
        lease.check()
        self._point(version, lease)

    @contextlib.contextmanager
    def lease(self, purpose: str) -> Iterator[Lease]:
        with holding(self.root / ".lease", purpose) as lease:
            self._finish(lease)
            yield lease

    def publish(self, release: SignedRelease, files: AssetFiles, lease: Lease, notes: str = "") -> Release:
        check_release(release, files, self.trust)
        latest, manifest = self.latest(), release.manifest
        if manifest.project != self.project:
            raise UnsafePlan(f"the store is of {self.project}, the release of {manifest.project}")
        if (self.root / manifest.tag).exists():
            self._check_same(release)
        else:
            check_follows(release, latest)
            self._check_carried(manifest)
            self._write(release, files, lease, notes)
        self._finish(lease)
        return Release(manifest, release.digest)

    def _newest(self) -> int:
        found = (_VERSION.fullmatch(path.name) for path in self.root.glob("v*"))
        return max((int(match.group(1)) for match in found if match), default=0)

    def _check_same(self, release: SignedRelease) -> None:
        if self.read(release.manifest.version).digest != release.digest:
            raise UnsafePlan(
                f"{release.manifest.tag} was published before with other content: releases never change",
                hint="plan again: the release moved since",
            )

    def _check_carried(self, manifest: Manifest) -> None:
        """What an earlier release holds for this one must still be there."""
        for digest, asset in manifest.assets.items():
            if asset.tag != manifest.tag:
                self.fetch_output(manifest, digest)

    def _write(self, release: SignedRelease, files: AssetFiles, lease: Lease, notes: str) -> None:
        self._sweep()
        draft = self.root / f"{_DRAFT}{release.manifest.tag}-{lease.fence}"
        with writing(draft):
            try:
                draft.mkdir()
                self._fill(draft, files, {**release.documents, **({NOTES: notes.encode()} if notes else {})})
                lease.check()
                draft.rename(self.root / release.manifest.tag)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
            sync_folder(self.root)

    def _fill(self, draft: Path, files: AssetFiles, documents: Mapping[str, bytes]) -> None:
        for name, (source, digest) in sorted(files.items()):
            _copy(source, draft / name, digest)
        for name, content in documents.items():
            _write_new(draft / name, content)
        sync_folder(draft)
        for name, (_, digest) in files.items():  # what lies on the disk now, not what was meant to
            if digest_file(draft / name) != digest:
                raise ToolError(f"{draft / name}: was written, but reads back with another digest")

    def _finish(self, lease: Lease) -> None:
        """Removes dead drafts and lets `latest` point to the newest release, unless people sign first."""
        self._sweep()
        version = self._newest()
        if version and not self.waits:
            self._point(version, lease)

    def _point(self, version: int, lease: Lease) -> None:
        link = self.root / LATEST
        if link.is_symlink() and link.readlink() == Path(tag_of(version)):
            return
        self.read(version)
        with writing(link):
            if link.exists() and not link.is_symlink():
                raise ToolError(f"{link}: is in the way: it must be a link that tinyops makes", hint="move it away")
            temporary = self.root / f"{_NEW_LATEST}{lease.fence}"
            temporary.symlink_to(tag_of(version))
            os.replace(temporary, link)
            sync_folder(self.root)

    def _sweep(self) -> None:
        """Only a holder of the lease writes drafts, so under the lease every other one is dead."""
        for path in self.root.glob(".*"):
            if path.name.startswith(_DRAFT):
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.startswith(_NEW_LATEST):
                path.unlink(missing_ok=True)


_COPY_HINT = "copy it back from another copy of the store: every asset is named by its digest in the manifest"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MANIFEST_LIMIT_BYTES + 1)
    except OSError as error:
        raise RemoteError(f"{path}: cannot be read: {error.strerror}") from error


def _copy(source: Path, copy: Path, digest: str) -> None:
    """Copies a file into a draft, durably. Raises ToolError when it is not what the manifest says."""
    sha256 = hashlib.sha256()
    try:
        reader = source.open("rb")
    except OSError as error:
        raise ToolError(f"{source}: to be released, but cannot be read: {error.strerror}") from error
    with reader, copy.open("xb") as writer:
        while chunk := reader.read(CHUNK_BYTES):
            sha256.update(chunk)
            writer.write(chunk)
        _settle(writer)
    if f"sha256:{sha256.hexdigest()}" != digest:
        raise ToolError(f"{source}: changed since it was built: its digest is not {digest}", hint="apply again")


def _write_new(path: Path, content: bytes) -> None:
    with path.open("xb") as writer:
        writer.write(content)
        _settle(writer)


def _settle(writer: BinaryIO) -> None:
    """Durable and read-only: a release never changes."""
    writer.flush()
    os.fchmod(writer.fileno(), 0o444)
    os.fsync(writer.fileno())
