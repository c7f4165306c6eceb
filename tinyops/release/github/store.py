"""The release store on GitHub. The highest version that is published counts; `latest` points to it, for devices."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tinyops.errors import RemoteError, ToolError, UnsafePlan
from tinyops.manifest.document import MANIFEST_ASSET, MANIFEST_LIMIT_BYTES, Manifest, read_manifest, tag_of
from tinyops.manifest.entry import ENTRY_LIMIT_BYTES
from tinyops.manifest.keys import Trust
from tinyops.release.github.downloading import Downloads
from tinyops.release.github.lease import GitHubLease, holding
from tinyops.release.github.patience import Patience
from tinyops.release.github.place import Place
from tinyops.release.github.publishing import Publication, default_notes, mark_of
from tinyops.release.github.remote import Remote, RemoteAsset, RemoteRelease
from tinyops.release.store import (
    AssetFiles,
    Lease,
    Release,
    SignedRelease,
    check_documents,
    check_follows,
    check_release,
)
from tinyops.remote.secrets import SecretValue

ASKED_ONE_BY_ONE = 5
_VERSION = re.compile(r"v([1-9][0-9]{0,8})")
_TOKEN = re.compile(rb"[\x21-\x7e]{1,1000}")
_HINT = "every asset is named by its digest in the manifest: upload an intact copy, or release again with --replace"


class GitHubStore:
    """Releases of one project in a repository. `cache` keeps downloads.

    `need_token` gives the token, or raises ToolError naming the ways to set one: reading a public
    repository works without. `waits`: people sign before a release is offered.
    """

    def __init__(
        self,
        place: Place,
        project: str,
        trust: Trust,
        *,
        cache: Path,
        token: SecretValue | None,
        need_token: Callable[[], object],
        patience: Patience | None = None,
        waits: bool = False,
    ) -> None:
        self.place = place
        self.waits = waits
        self.project = project
        self.trust = trust
        origin = token.origin if token else ""
        self.remote = Remote(place, token_text(token) if token else "", origin, patience or Patience())
        self._downloads = Downloads(self.remote, cache)
        self._need_token = need_token
        self._published: dict[str, RemoteRelease] = {}  # those that were asked for: they never change
        self._asked = 0
        self._one_at_a_time = threading.RLock()  # steps read and fetch in several threads

    def __str__(self) -> str:
        return str(self.place)

    def close(self) -> None:
        self.remote.close()

    def has_releases(self) -> bool:
        return self._newest()[0] is not None

    def latest(self) -> Release | None:
        with self._one_at_a_time:
            newest, _ = self._newest()
            return self._read(newest) if newest is not None else None

    def read(self, version: int) -> Release:
        with self._one_at_a_time:
            return self._read(self._published_release(tag_of(version)))

    def fetch_output(self, manifest: Manifest, digest: str) -> Path:
        if digest not in manifest.assets:
            raise RemoteError(f"{manifest.tag}: {digest} is not among the released files")
        file = manifest.file(digest)
        where = f"{self.place} {file.tag}/{file.asset}"
        with self._one_at_a_time:
            if (found := self._downloads.find(digest)) is not None:
                return found
            asset = self._asset(self._published_release(file.tag), file.asset)
            _check_asset(asset, file.bytes, digest, where)
            return self._downloads.fetch(asset, file.bytes, digest, where=where)

    def documents(self, release: Release) -> dict[str, bytes]:
        with self._one_at_a_time:
            found = self._published_release(release.manifest.tag)

            def read(name: str) -> bytes:
                where = f"{self.place} {found.tag}/{name}"
                return self._downloads.read(self._asset(found, name), ENTRY_LIMIT_BYTES, where=where)

            return check_documents(release, read, self.trust)

    def offered(self) -> int:
        with self._one_at_a_time:
            pointed = self.remote.latest()
            return _version(pointed.tag) if pointed is not None else 0

    def offer(self, version: int, lease: Lease) -> None:
        lease.check()
        with self._one_at_a_time:
            pointed = self.remote.latest()
            self._point_latest(self._published_release(tag_of(version)), pointed)

    @contextlib.contextmanager
    def lease(self, purpose: str) -> Iterator[GitHubLease]:
        self._need_token()
        with holding(self.remote, self.project, purpose) as lease:
            self._follow_newest()
            yield lease

    def publish(self, release: SignedRelease, files: AssetFiles, lease: Lease, notes: str = "") -> Release:
        check_release(release, files, self.trust)
        manifest = release.manifest
        if manifest.project != self.project:
            raise UnsafePlan(f"the store is of {self.project}, the release of {manifest.project}")
        listed = self.remote.releases()
        published = {found.tag: found for found in listed if not found.draft}
        if manifest.tag in published:
            self._check_same(release, published[manifest.tag])
            self._follow_newest()
        else:
            newest = _highest(published.values())
            check_follows(release, self._read(newest) if newest is not None else None)
            self._check_carried(manifest, published)
            drafts = [found for found in listed if found.draft]
            self._sweep(drafts, manifest)
            publication = Publication(self.remote, self._downloads, release, files, latest=not self.waits)
            publication.run(lease, drafts, notes or default_notes(manifest))
        return Release(manifest, release.digest)

    # -- which is the newest -------------------------------------------------------------------

    def _newest(self) -> tuple[RemoteRelease | None, RemoteRelease | None]:
        """The release of the highest version, and the one that GitHub calls the latest."""
        pointed = self.remote.latest()
        version = _version(pointed.tag) if pointed else 0
        if pointed is not None and version and self.remote.by_tag(tag_of(version + 1)) is None:
            return pointed, pointed
        return _highest(found for found in self.remote.releases() if not found.draft), pointed

    def _follow_newest(self) -> None:
        """An older or foreign release must not be the latest: devices fetch from there."""
        if self.waits:
            return
        newest, pointed = self._newest()
        if newest is not None:
            self._point_latest(newest, pointed)

    def _point_latest(self, wanted: RemoteRelease, pointed: RemoteRelease | None) -> None:
        if pointed is None or pointed.id != wanted.id:
            self._read(wanted)
            self.remote.patience.say(f"{self.place}: {wanted.tag} becomes the latest release")
            self.remote.make_latest(wanted)

    def _sweep(self, drafts: Iterable[RemoteRelease], manifest: Manifest) -> None:
        """Drafts of ours for other versions are dead: only a holder of the lease makes them."""
        for draft in drafts:
            mark = mark_of(draft)
            if mark is not None and mark.project == self.project and draft.tag != manifest.tag:
                self.remote.delete_draft(draft)

    # -- reading -------------------------------------------------------------------------------

    def _read(self, release: RemoteRelease) -> Release:
        where = f"{self.place} {release.tag}/{MANIFEST_ASSET}"
        asset = self._asset(release, MANIFEST_ASSET)
        if asset.digest:
            if asset.bytes > MANIFEST_LIMIT_BYTES:
                raise RemoteError(f"{where}: larger than {MANIFEST_LIMIT_BYTES:,} bytes")
            data = self._downloads.fetch(asset, asset.bytes, asset.digest, where=where).read_bytes()
        else:
            data = self._downloads.read(asset, MANIFEST_LIMIT_BYTES, where=where)
        manifest, digest = read_manifest(data, self.trust, where=where)
        version = _version(release.tag)
        if (manifest.project, manifest.version) != (self.project, version):
            raise RemoteError(f"{where}: is {manifest.tag} of {manifest.project}, not v{version} of {self.project}")
        return Release(manifest, digest)

    def _published_release(self, tag: str) -> RemoteRelease:
        if tag not in self._published:
            self._asked += 1
            if self._asked > ASKED_ONE_BY_ONE:  # who goes back through all of them gets them in pages
                self._published |= {found.tag: found for found in self.remote.releases() if not found.draft}
        if tag not in self._published:
            found = self.remote.by_tag(tag)
            if found is None:
                raise RemoteError(f"{self.place}: there is no release {tag}", hint=f"see {self.place.page}")
            self._published[tag] = found
        return self._published[tag]

    def _asset(self, release: RemoteRelease, name: str) -> RemoteAsset:
        """An asset by name; the list is asked for what did not come along with the release."""
        for whole in (False, True):
            for asset in self.remote.assets(release) if whole else release.embedded:
                if asset.name == name:
                    return asset
        raise RemoteError(f"{self.place} {release.tag}/{name}: released asset is missing", hint=_HINT)

    def _check_same(self, release: SignedRelease, published: RemoteRelease) -> None:
        if self._read(published).digest != release.digest:
            raise UnsafePlan(
                f"{release.manifest.tag} was published before with other content: releases never change",
                hint="plan again: the release moved since",
            )

    def _check_carried(self, manifest: Manifest, published: dict[str, RemoteRelease]) -> None:
        """What an earlier release holds for this one must still be there, as far as GitHub tells."""
        for digest, carried in manifest.assets.items():
            if carried.tag == manifest.tag:
                continue
            if carried.tag not in published:
                raise RemoteError(f"{self.place} {carried.tag}/{carried.asset}: released asset is missing", hint=_HINT)
            asset = self._asset(published[carried.tag], carried.asset)
            _check_asset(asset, carried.bytes, digest, f"{self.place} {carried.tag}/{carried.asset}")


def token_text(token: SecretValue) -> str:
    """Fit for a header. Raises ToolError, which does not show it."""
    text = token.value.strip()
    if not _TOKEN.fullmatch(text):
        raise ToolError(
            f"secret {token.name} ({token.origin}) is no token of GitHub's",
            hint="one line of letters, digits and _, such as ghp_… or github_pat_…",
        )
    return text.decode("ascii")


def _check_asset(asset: RemoteAsset, length: int, digest: str, where: str) -> None:
    if not asset.may_be(length, digest):
        raise RemoteError(f"{where}: released asset is damaged: its digest is not {digest}", hint=_HINT)


def _version(tag: str) -> int:
    match = _VERSION.fullmatch(tag)
    return int(match.group(1)) if match else 0


def _highest(published: Iterable[RemoteRelease]) -> RemoteRelease | None:
    return max((found for found in published if _version(found.tag)), key=lambda r: _version(r.tag), default=None)
