"""Draft, upload, verify, publish: every step is looked up before it is done, so that a killed run is carried on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tinyops.errors import Leased, RemoteError, UnsafePlan
from tinyops.files import digest_bytes
from tinyops.manifest.document import ASSETS_PER_RELEASE_MAX, MANIFEST_ASSET, Manifest
from tinyops.release.github.downloading import Downloads
from tinyops.release.github.problems import CARRY_ON, Unsure
from tinyops.release.github.remote import Remote, RemoteAsset, RemoteRelease
from tinyops.release.github.uploading import Outgoing, check_source
from tinyops.release.store import AssetFiles, Lease, SignedRelease, Unreachable

NOTES_CHARACTERS_MAX = 100_000  # GitHub takes 125,000
_MARK = re.compile(r"<!-- tinyops: release of ([a-z0-9-]+), lease ([0-9]+) -->")

Source: TypeAlias = tuple["Path | bytes", str]  # what to upload, and its digest


@dataclass(frozen=True)
class Mark:
    """What a draft's notes end in, unseen: that it is ours, and under which lease it was written."""

    project: str
    fence: int

    def __str__(self) -> str:
        return f"<!-- tinyops: release of {self.project}, lease {self.fence} -->"


def mark_of(release: RemoteRelease) -> Mark | None:
    last = release.body.rstrip().rpartition("\n")[2]
    match = _MARK.fullmatch(last)
    return Mark(match.group(1), int(match.group(2))) if match and len(match.group(2)) <= 12 else None


class Publication:
    """One release on its way. `published` in the name of nobody else: the lease is checked last."""

    def __init__(
        self, remote: Remote, downloads: Downloads, release: SignedRelease, files: AssetFiles, *, latest: bool = True
    ) -> None:
        self._latest = latest
        self._remote = remote
        self._patience = remote.patience
        self._downloads = downloads
        self._manifest = release.manifest
        self._sources = ordered_sources(release, files)
        self._lengths = {name: check_source(name, *source) for name, source in self._sources.items()}

    def run(self, lease: Lease, drafts: Sequence[RemoteRelease], notes: str) -> RemoteRelease:
        """Raises Leased when the lease was lost, UnsafePlan for a draft of somebody else."""
        body = f"{notes[:NOTES_CHARACTERS_MAX]}\n\n{Mark(self._manifest.project, lease.fence)}"
        draft = self._draft(drafts, body, lease)
        self._upload_all(draft)
        self._verify(draft)
        lease.check()
        published = self._publish(draft)
        if published.draft or published.tag != self._manifest.tag:
            raise RemoteError(f"{self._remote.place}: {self._manifest.tag} is still a draft after publishing it")
        return published

    def _publish(self, draft: RemoteRelease) -> RemoteRelease:
        """A repeat after a lost answer may be refused: what is published may be immutable. Then ours is there."""
        try:
            return self._remote.publish(draft, latest=self._latest)
        except Unreachable:
            raise
        except RemoteError as error:
            found, refused = self._remote.by_tag(draft.tag), error
        if found is None or found.id != draft.id:
            raise refused
        return found

    # -- the draft -----------------------------------------------------------------------------

    def _draft(self, drafts: Sequence[RemoteRelease], body: str, lease: Lease) -> RemoteRelease:
        """The draft of this tag that a killed run left, or a new one; with our notes."""
        ours = self._ours(drafts, lease)
        for dead in ours[1:]:
            self._remote.delete_draft(dead)
        if ours:
            self._patience.say(f"{self._manifest.tag}: goes on with the draft that an earlier run left")
            return self._remote.edit_body(ours[0], body)
        for attempt in range(1, self._patience.attempts + 1):
            try:
                return self._remote.create_draft(self._manifest.tag, body)
            except Unsure as error:  # it may be there: two drafts of one tag are possible
                if attempt == self._patience.attempts:
                    raise
                self._patience.back_off(attempt, error.message)
                if found := self._ours([r for r in self._remote.releases() if r.draft], lease):
                    return found[0]
        raise AssertionError("unreachable")

    def _ours(self, drafts: Sequence[RemoteRelease], lease: Lease) -> list[RemoteRelease]:
        found = []
        for draft in drafts:
            if draft.tag != self._manifest.tag:
                continue
            mark = mark_of(draft)
            if mark is None or mark.project != self._manifest.project:
                raise UnsafePlan(
                    f"{self._remote.place}: there is a draft of {draft.tag} that tinyops did not make for "
                    f"{self._manifest.project}",
                    hint=f"publish or delete it on {self._remote.place.page}, or keep releases in a repository of "
                    "their own",
                )
            if mark.fence > lease.fence:
                raise Leased(
                    f"the draft of {draft.tag} was made under lease {mark.fence}, ours is {lease.fence}: "
                    "nothing was published",
                    hint="run the same command again",
                )
            found.append(draft)
        return found

    # -- its assets ----------------------------------------------------------------------------

    def _upload_all(self, draft: RemoteRelease) -> None:
        there = self._intact(draft, clean=True)
        missing = [name for name in self._sources if name not in there]
        total = sum(self._lengths[name] for name in missing)
        self._patience.say(
            f"{self._manifest.tag}: {len(missing)} of {len(self._sources)} files to upload, {total:,} bytes"
        )
        for name in missing:
            self._upload(draft, name)

    def _upload(self, draft: RemoteRelease, name: str) -> None:
        source, digest = self._sources[name]
        for attempt in range(1, self._patience.attempts + 1):
            with Outgoing(source, self._patience) as outgoing:
                try:
                    asset = self._remote.upload(draft, name, outgoing)
                except Unsure as error:  # half of it may be there, or all
                    if attempt == self._patience.attempts:
                        raise
                    self._patience.back_off(attempt, error.message)
                    if name in self._intact(draft, clean=True, only=name):
                        return
                    continue
            if asset.name != name:
                raise RemoteError(f"{self._remote.place}: {name} was renamed {asset.name[:100]} on its way")
            if asset.may_be(self._lengths[name], digest):
                return
            self._remote.delete_asset(asset)
            self._patience.back_off(attempt, f"{name}: arrived damaged")
        raise RemoteError(
            f"{self._remote.place}: {name} arrived damaged {self._patience.attempts} times: GitHub has other bytes "
            "than were sent",
            hint=CARRY_ON,
        )

    def _intact(self, draft: RemoteRelease, *, clean: bool, only: str = "") -> dict[str, RemoteAsset]:
        """The assets that are there and right; `clean` deletes the others: halves, and those of an older try."""
        found: dict[str, RemoteAsset] = {}
        for asset in self._remote.assets(draft):
            if only and asset.name != only:
                continue
            source = self._sources.get(asset.name)
            right = source is not None and asset.may_be(self._lengths[asset.name], source[1])
            if right and source is not None and asset.name not in found and self._has_digest(asset, source[1]):
                found[asset.name] = asset
            elif clean:
                self._remote.delete_asset(asset)
        return found

    def _has_digest(self, asset: RemoteAsset, digest: str) -> bool:
        """Where GitHub names no digest, the asset is fetched back and hashed."""
        if asset.digest:
            return asset.digest == digest
        where = f"{self._manifest.tag}/{asset.name}"
        return digest_bytes(self._downloads.read(asset, self._lengths[asset.name], where=where)) == digest

    def _verify(self, draft: RemoteRelease) -> None:
        """What lies on GitHub now, not what was meant to: every asset of this release, and nothing else."""
        there = self._remote.assets(draft)
        names = [asset.name for asset in there]
        if len(there) > ASSETS_PER_RELEASE_MAX or sorted(names) != sorted(self._sources):
            odd = sorted({*names} ^ {*self._sources})[:5]
            raise RemoteError(
                f"{self._remote.place}: the draft of {self._manifest.tag} does not hold what was uploaded: "
                f"{', '.join(odd) or 'a file is there twice'}",
                hint=CARRY_ON,
            )
        for asset in there:
            digest = self._sources[asset.name][1]
            if not asset.may_be(self._lengths[asset.name], digest) or not self._has_digest(asset, digest):
                raise RemoteError(
                    f"{self._remote.place}: {asset.name} was uploaded, but GitHub has it with another digest",
                    hint=CARRY_ON,
                )


def ordered_sources(release: SignedRelease, files: AssetFiles) -> dict[str, Source]:
    """Everything that a release uploads; the manifest last: a release without one is visibly not whole."""
    sources: dict[str, Source] = {name: files[name] for name in sorted(files)}
    last = sorted(release.documents, key=lambda name: (name == MANIFEST_ASSET, name))
    return sources | {name: (release.documents[name], digest_bytes(release.documents[name])) for name in last}


def default_notes(manifest: Manifest) -> str:
    """What a release says of itself when nobody wrote notes: which fleets it is for."""
    lines = [f"Release {manifest.tag} of {manifest.project}, made by tinyops.", ""]
    for name, entry in sorted(manifest.fleets.items()):
        lines.append(f"- {name}: model {entry.model} for {', '.join(sorted(entry.boards))}")
    if manifest.commit:
        lines += ["", f"From commit {manifest.commit}."]
    return "\n".join(lines)
