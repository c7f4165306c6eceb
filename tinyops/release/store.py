"""What every release store offers, and what is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from tinyops.errors import RemoteError, ToolError, UnsafePlan
from tinyops.files import digest_json, read_bounded
from tinyops.images import check_signature, read_image
from tinyops.manifest.document import MANIFEST_ASSET, Manifest, read_manifest
from tinyops.manifest.entry import entries, read_entry
from tinyops.manifest.envelope import seal
from tinyops.manifest.keys import SigningKey, Trust

AssetFiles: TypeAlias = Mapping[str, tuple[Path, str]]  # asset name -> (file, its digest)


class Unreachable(RemoteError):
    """A store could not be asked: nothing is known about what it holds, so nothing may be taken for lost."""


class Lease(Protocol):
    """The exclusive right to publish. `fence` is higher than that of every lease before."""

    @property
    def fence(self) -> int: ...

    def check(self) -> None:
        """Raises Leased when another process took over since."""


@dataclass(frozen=True)
class Release:
    """A published, verified release. `digest` is that of its manifest's signed part."""

    manifest: Manifest
    digest: str


@dataclass(frozen=True)
class SignedRelease:
    """A release ready to be published: `documents` holds the signed manifest and every signed entry by name."""

    manifest: Manifest
    digest: str
    documents: Mapping[str, bytes]


class ReleaseStore(Protocol):
    """Where releases are kept. A release is complete once it can be seen, and never changes after.

    One is *offered*: the one that devices find as the latest without knowing its number. That is the newest, unless
    the store was opened for a project whose people must sign first: then only `offer` moves on.
    """

    def has_releases(self) -> bool:
        """Whether there is any release, verified or not. Raises RemoteError."""

    def latest(self) -> Release | None:
        """The newest release, verified; None before the first. Raises RemoteError."""

    def read(self, version: int) -> Release:
        """An earlier release, verified. Raises RemoteError."""

    def fetch_output(self, manifest: Manifest, digest: str) -> Path:
        """An intact local copy of a released file.

        Raises RemoteError naming a missing or damaged asset, Unreachable when the store cannot be asked.
        """

    def documents(self, release: Release) -> dict[str, bytes]:
        """The signed entries of a release, by name, verified. Raises RemoteError."""

    def offered(self) -> int:
        """The version that is offered; 0 for none. Raises RemoteError."""

    def offer(self, version: int, lease: Lease) -> None:
        """Offers a published release. Raises RemoteError, Leased when the lease was lost."""

    def lease(self, purpose: str) -> AbstractContextManager[Lease]:
        """Exclusive right to publish; also finishes what a killed publish left. Raises Leased."""

    def publish(self, release: SignedRelease, files: AssetFiles, lease: Lease, notes: str = "") -> Release:
        """Makes a release the latest, completely or not at all; the same one twice is no error.

        `files` are exactly the assets whose tag is this release's; `notes` is Markdown for people, no
        part of what is signed. Raises UnsafePlan when the release
        does not follow the latest one, ToolError when something cannot be read or written, Leased
        when the lease was lost.
        """


def sign_release(manifest: Manifest, keys: Sequence[SigningKey], *, expires: str | None = None) -> SignedRelease:
    """Signs the manifest and the entry of every fleet and board."""
    envelope = seal(manifest.to_json(), keys)
    documents = {MANIFEST_ASSET: envelope.to_bytes()}
    for name, entry in entries(manifest, expires=expires):
        documents[name] = seal(entry.to_json(), keys).to_bytes()
    return SignedRelease(manifest, envelope.digest, documents)


def check_documents(release: Release, read: Callable[[str], bytes], trust: Trust) -> dict[str, bytes]:
    """Reads every entry of a release. Raises RemoteError for one that is not of its manifest."""
    found = {}
    for name, expected in entries(release.manifest):
        found[name] = read(name)
        entry, _ = read_entry(found[name], trust, where=f"{release.manifest.tag}/{name}")
        if entry.model_copy(update={"expires": None}) != expected:
            raise RemoteError(f"{release.manifest.tag}/{name}: does not agree with the release's manifest")
    return found


def check_release(release: SignedRelease, files: AssetFiles, trust: Trust) -> None:
    """Refuses a release that its own devices would refuse, or that would lose what cannot be made again.

    Raises RemoteError for signatures, ToolError for what is missing.
    """
    manifest, digest = read_manifest(release.documents[MANIFEST_ASSET], trust, where=MANIFEST_ASSET)
    if not digest == release.digest == digest_json(release.manifest.to_json()):
        raise ToolError(f"{MANIFEST_ASSET}: the signed bytes are not of the manifest to be published")
    expected = dict(entries(manifest))
    if set(release.documents) != {MANIFEST_ASSET, *expected}:
        raise ToolError("the release does not hold one signed entry for each fleet and board")
    for name, entry in expected.items():
        found, _ = read_entry(release.documents[name], trust, where=name)
        if found.model_copy(update={"expires": None}) != entry:
            raise ToolError(f"{name}: the signed entry does not agree with the manifest")
    given = {name: digest for name, (_, digest) in files.items()}
    wanted = manifest.own_assets()
    if given != wanted:
        names = sorted(name for name in {*given, *wanted} if given.get(name) != wanted.get(name))
        raise ToolError(f"{manifest.tag}: files and manifest differ in {', '.join(names[:5])}")
    _check_images(manifest, files, trust)
    if lost := manifest.unkept():
        raise ToolError(f"{manifest.tag}: would lose what cannot be made again: {', '.join(lost[:5])}")


def _check_images(manifest: Manifest, files: AssetFiles, trust: Trust) -> None:
    """Each image that this release brings is signed by a trusted key, and the one that the manifest names."""
    own = {digest: path for path, digest in files.values()}
    offered = (o for fleet in manifest.fleets.values() for o in fleet.boards.values())
    for image in {i.digest: i for o in offered for i in o.images.values() if i.digest in own}.values():
        found = read_image(read_bounded(own[image.digest], image.bytes), where=image.asset)
        key = check_signature(found, trust.keys.values(), where=image.asset)
        if (found.digest.hex(), key.key_id) != (image.image, image.signed_by):
            raise ToolError(f"{image.asset}: is not the image, or not of the key, that the manifest names")


def check_follows(release: SignedRelease, latest: Release | None) -> None:
    """Raises UnsafePlan unless the release is the next one after the latest of its own project."""
    manifest = release.manifest
    before = latest.manifest.version if latest else 0
    if latest and latest.manifest.project != manifest.project:
        raise UnsafePlan(f"the store holds releases of {latest.manifest.project}, this one is of {manifest.project}")
    if manifest.version != before + 1:
        raise UnsafePlan(
            f"{manifest.tag} does not follow v{before}, the latest release: versions rise by one",
            hint="plan again: the release moved since",
        )
    if manifest.previous != (latest.digest if latest else None):
        raise UnsafePlan(f"{manifest.tag} was made to follow another v{before} than the latest release")
