"""A folder of real TUF metadata, its keys and its releases: what tests publish, rotate, refresh and follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tuf.api.metadata import Metadata, Root, Targets
from tuf.ngclient import Updater

from tinyops.files import digest_bytes
from tinyops.manifest.keys import PublicKey, SigningKey
from tinyops.trust.building import Offer, root_role, targets_role
from tinyops.trust.folder import FolderPlace
from tinyops.trust.publishing import LIVES, Wanted, publish
from tinyops.trust.roles import Keyholders, Lives, RoleKeys
from tinyops.trust.signing import seal, to_bytes

START = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
ENTRIES = {"entry-wrist-linux.json": b'{"signed":{},"signatures":[]}\n'}
_few = {"root": 2, "targets": 1, "online": 1}


def new_keys(count: int) -> list[SigningKey]:
    return [SigningKey.generate() for _ in range(count)]


def publics(keys: list[SigningKey]) -> tuple[PublicKey, ...]:
    return tuple(key.public for key in keys)


@dataclass
class Trusted:
    """Publishes below `root`. `clock` is what the publisher believes; `roots` are the signed ones, the newest last."""

    root: Path
    clock: datetime = START
    lives: Lives = LIVES
    threshold: int = 1
    keys: dict[str, list[SigningKey]] = field(default_factory=lambda: {name: new_keys(n) for name, n in _few.items()})
    roots: list[bytes] = field(default_factory=list)
    versions: int = 0
    targets: bytes = b""

    def __post_init__(self) -> None:
        if not self.roots:
            self.add_root(self.keys["root"])

    @property
    def place(self) -> FolderPlace:
        return FolderPlace(self.root)

    @property
    def online(self) -> SigningKey:
        return self.keys["online"][0]

    @property
    def holders(self) -> Keyholders:
        root = RoleKeys(publics(self.keys["root"]), min(2, len(self.keys["root"])))
        return Keyholders(root, RoleKeys(publics(self.keys["targets"]), self.threshold), publics(self.keys["online"]))

    def add_root(self, signing: list[SigningKey]) -> bytes:
        """The next root, of the keys as they are now, signed by some."""
        role = root_role(self.holders, self.clock, self.lives, len(self.roots) + 1)
        self.roots.append(to_bytes(seal(role, signing), pretty=True))
        return self.roots[-1]

    def offer(self, entries: Mapping[str, bytes] = ENTRIES, release: int = 1) -> Targets:
        self.versions += 1
        offer = Offer(project="wearables", version=release, manifest=digest_bytes(b"manifest"))
        return targets_role(entries, offer, publics(self.keys["online"]), self.clock, self.lives, version=self.versions)

    def release(
        self,
        entries: Mapping[str, bytes] = ENTRIES,
        release: int = 1,
        progress: Mapping[str, bytes] | None = None,
        signing: list[SigningKey] | None = None,
    ) -> None:
        """Signs and publishes targets of a release."""
        keys = self.keys["targets"] if signing is None else signing
        self.targets = to_bytes(seal(self.offer(entries, release), keys))
        self.publish(entries, progress)

    def publish(self, entries: Mapping[str, bytes] | None = None, progress: Mapping[str, bytes] | None = None) -> bool:
        wanted = Wanted(tuple(self.roots), self.targets, entries or {}, progress)
        return publish(self.place, wanted, self.online, self.clock, self.lives)

    def later(self, **span: float) -> Trusted:
        """The same publisher some time on."""
        self.clock += timedelta(**span)
        return self

    def copy(self, root: Path) -> Trusted:
        """Another publisher with the same keys and roots, as an attacker's mirror of old files has."""
        return replace(self, root=root, roots=[*self.roots], keys=dict(self.keys))


def client(url: str, folder: Path, root: bytes) -> Updater:
    """The library's own updater. It looks at the machine's clock."""
    folder.mkdir(parents=True, exist_ok=True)
    return Updater(str(folder), url, str(folder), f"{url}/targets", bootstrap=root)


def parsed_root(data: bytes) -> Root:
    metadata: Metadata[Root] = Metadata.from_bytes(data)
    return metadata.signed
