"""A project's metadata as its specs have it: where it lies, who signs, and what people signed so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.errors import RemoteError, SpecError, ToolError
from tinyops.files import JsonObject
from tinyops.manifest.keys import SigningKey
from tinyops.plan.awaiting import Awaiting
from tinyops.reconcile.opening import DEFAULT_TOKENS, first_token
from tinyops.release.secrets import load_signing_key
from tinyops.release.store import Lease, Release, ReleaseStore
from tinyops.remote.secrets import SecretValue, resolve_secret
from tinyops.specs.loader import Repository
from tinyops.specs.trust import BranchMetadata, DirectoryMetadata, MetadataHost, TargetsSigner

if TYPE_CHECKING:
    from tinyops.reconcile.world import World
    from tinyops.trust.offline import Offline
    from tinyops.trust.places import MetadataPlace
    from tinyops.trust.roles import Lives

CACHE = Path(".tinyops") / "metadata"


@dataclass(frozen=True)
class Trusting:
    """`targets` is who says which release is offered; `targets_secret` is CI's key for it, "" where people sign."""

    root: Path
    project: str
    place: MetadataPlace
    lives: Lives
    targets: TargetsSigner
    targets_secret: str
    online_secret: str

    @property
    def by_people(self) -> bool:
        return self.targets.by == "people"

    def online_key(self) -> SigningKey:
        """Raises ToolError naming the ways to give it."""
        return load_signing_key(self.online_secret, self.root)

    def targets_key(self) -> SigningKey:
        return load_signing_key(self.targets_secret, self.root)

    def targets_key_here(self) -> SigningKey | None:
        """None where people sign, and where CI's key is not here."""
        if not self.targets_secret:
            return None
        try:
            return self.targets_key()
        except ToolError:
            return None

    def offline(self) -> Offline:
        """What specs/trust holds. Raises SpecError."""
        from tinyops.trust.offline import FOLDER, load_offline

        return load_offline(self.root / FOLDER)


@dataclass(frozen=True)
class Delivery:
    """What devices are offered now, beside the newest release. `signed` of `threshold` people or keys signed that one;
    `changed` says whether metadata was written."""

    version: int
    offered: int
    signed: int
    threshold: int
    changed: bool

    @property
    def awaiting(self) -> Awaiting | None:
        if self.offered >= self.version:
            return None
        return Awaiting(self.version, self.offered, self.signed, self.threshold)

    def to_json(self) -> JsonObject:
        return {**offered_json(self.awaiting, self.version), "changed": self.changed}


def offered_json(waiting: Awaiting | None, version: int) -> JsonObject:
    """The state of the newest release for programs: `offered`, or `awaiting` with who signed."""
    if waiting is None:
        return {"state": "offered", "offered": version}
    counts = {"signed": waiting.signed, "threshold": waiting.threshold}
    return {"state": "awaiting", "offered": waiting.offered, **counts}


def trusting(repository: Repository) -> Trusting | None:
    """None for a project without metadata: its devices go by signed entries alone. Raises ToolError without TUF."""
    spec = repository.project.document.spec
    host, signing = spec.metadata, spec.signing
    if host is None or signing.online is None:
        return None
    try:
        from tinyops.trust.roles import Lives
    except ModuleNotFoundError as error:
        raise ToolError(f"metadata needs {error.name}", hint="pip install 'tinyops[trust]'") from error
    key = signing.targets.key or signing.image.key
    return Trusting(
        repository.root,
        repository.project.document.metadata.name,
        open_place(repository, host),
        Lives(**host.expiry.model_dump()),
        signing.targets,
        key.secret if key is not None and signing.targets.by == "ci" else "",
        signing.online.key.secret,
    )


def need_trusting(repository: Repository) -> Trusting:
    """Raises SpecError for a project without metadata."""
    found = trusting(repository)
    if found is None:
        raise SpecError(
            f"{repository.project.file}: the project names no host for metadata",
            hint="metadata: {kind: directory, path: ../.tinyops/metadata} and signing.online; docs/trust.md",
        )
    return found


def open_place(repository: Repository, host: MetadataHost) -> MetadataPlace:
    """The host of metadata, by its kind."""
    if isinstance(host, DirectoryMetadata):
        from tinyops.trust.folder import FolderPlace

        return FolderPlace(repository.resolve(repository.project, host.path))
    from tinyops.trust.branch import BranchPlace

    token = _token(repository, host)
    url = _address(repository, host)
    name = "".join(c if c.isalnum() else "+" for c in f"{url}+{host.branch}")[-100:]
    text = token.value.decode(errors="replace").strip() if token is not None else ""
    return BranchPlace(url, host.branch, repository.root / CACHE / f"{name}.git", text)


def awaiting(repository: Repository, releases: ReleaseStore | None, release: Release | None) -> Awaiting | None:
    """Whether the newest release waits for people: as the store and specs/trust say, without the metadata's host."""
    spec = repository.project.document.spec
    if spec.metadata is None or spec.signing.targets.by != "people" or releases is None or release is None:
        return None
    offered = releases.offered()
    version = release.manifest.version
    if offered >= version:
        return None
    signed = _signed(repository.root, release)
    threshold = spec.signing.targets.threshold
    return Awaiting(version, offered, min(signed, threshold), threshold)


def awaiting_of(world: World) -> Awaiting | None:
    return awaiting(world.repository, world.releases, world.release)


def metadata_notes(world: World, now: datetime) -> list[str]:
    """What drift has to say of a project's metadata; nothing for a project without, which needs no TUF."""
    if world.repository.project.document.spec.metadata is None:
        return []
    from tinyops.reconcile.trust_status import trust_notes

    return trust_notes(world.repository, world.releases, world.release, now)


def _signed(root: Path, release: Release) -> int:
    """How many of the people signed that release; 0 while nobody did, without a look at TUF."""
    from tinyops.specs.trust_rules import ROOT_FILE

    if not (root / ROOT_FILE).with_name("targets.json").exists():
        return 0
    from tinyops.trust.building import offer_of
    from tinyops.trust.offline import FOLDER, load_offline
    from tinyops.trust.roles import TARGETS
    from tinyops.trust.signing import signers

    offline = load_offline(root / FOLDER)
    if offline.targets is None or offline.root is None:
        return 0
    offer = offer_of(offline.targets.signed)
    if offer is None or offer.manifest != release.digest:
        return 0
    return len(signers(offline.root, TARGETS, offline.targets).signed)


def _address(repository: Repository, host: BranchMetadata) -> str:
    name = host.repository
    if name.startswith(("./", "../", "/")):
        return str(repository.resolve(repository.project, name))
    return name if ":" in name else f"https://github.com/{name}.git"


def _token(repository: Repository, host: BranchMetadata) -> SecretValue | None:
    if host.token is not None:
        return resolve_secret(host.token.secret, repository.root)
    return first_token(DEFAULT_TOKENS, repository.root) if ":" not in host.repository else None


def secrets_of(found: Trusting) -> Iterator[str]:
    """The names of the keys that CI needs."""
    yield found.online_secret
    if found.targets_secret:
        yield found.targets_secret


def deliver_newest(repository: Repository, releases: ReleaseStore, lease: Lease, now: datetime) -> Delivery | None:
    """Offers the newest release to devices, as far as it is signed. None without metadata and without releases.

    Raises RemoteError where it is released and could not be offered.
    """
    found, release = trusting(repository), releases.latest()
    if found is None or release is None:
        return None
    from tinyops.reconcile.offering import deliver

    try:
        return deliver(found, releases, release, lease, now)
    except RemoteError as error:
        raise RemoteError(
            f"{release.manifest.tag} is released, and devices are not offered it: {error.message}",
            hint=error.hint or "`tinyops trust publish` carries on",
        ) from error


def check_keys(repository: Repository) -> None:
    """Raises ToolError or SpecError before anything is built, where a key of CI or the root is missing."""
    found = trusting(repository)
    if found is None:
        return
    found.offline().need_root()
    for name in secrets_of(found):
        try:
            load_signing_key(name, found.root)
        except ToolError as error:
            raise ToolError(f"{error.message}: it signs metadata", hint=error.hint) from None
