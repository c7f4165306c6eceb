"""The roles of TUF metadata: their names and files, how long they live, and our keys as TUF writes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from securesystemslib.signer import Key, SSlibKey
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Signed, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from tinyops.errors import RemoteError
from tinyops.manifest.fields import read_time
from tinyops.manifest.keys import PublicKey

ROOT: Final = "root"
TARGETS: Final = "targets"
SNAPSHOT: Final = "snapshot"
TIMESTAMP: Final = "timestamp"
ROLLOUT: Final = "rollout"  # delegated by targets: the progress of rollouts, signed online
ROLLOUT_PATHS = "rollout/*"
TIMESTAMP_FILE = "timestamp.json"
METADATA_LIMIT_BYTES = 4 * 1024 * 1024
KEYS_MAX = 20  # of one role
MADE = "made"  # a field that TUF leaves to us: when metadata was signed

SignedT = TypeVar("SignedT", Root, Targets, Snapshot, Timestamp)


@dataclass(frozen=True)
class Lives:
    """For how many days metadata may be used after it was signed. Those of `snapshot_d` are the rollout role's too."""

    root_d: int = 365
    targets_d: int = 365
    snapshot_d: int = 7
    timestamp_d: int = 3

    def expiry(self, role: str, now: datetime) -> datetime:
        days = {ROOT: self.root_d, TARGETS: self.targets_d, TIMESTAMP: self.timestamp_d}.get(role, self.snapshot_d)
        return now.astimezone(UTC).replace(microsecond=0) + timedelta(days=days)


@dataclass(frozen=True)
class RoleKeys:
    """The keys of one role, and how many of them must sign."""

    keys: tuple[PublicKey, ...]
    threshold: int = 1


@dataclass(frozen=True)
class Keyholders:
    """Who signs: people or CI for root and targets; CI's online keys for what is signed again all the time."""

    root: RoleKeys
    targets: RoleKeys
    online: tuple[PublicKey, ...]


def half_life(signed: Signed) -> datetime | None:
    """When half of some metadata's life is over; None where it does not say when it was made."""
    try:
        made = read_time(signed.unrecognized_fields[MADE])
    except (KeyError, TypeError, ValueError):
        return None
    return made + (signed.expires - made) / 2


def versioned(version: int, role: str) -> str:
    """The file of a role's metadata below the address of the metadata."""
    return f"{version}.{role}.json"


def target_file(path: str, sha256: str) -> str:
    """The file of a target below the address of the metadata: its digest is in its name."""
    folder, slash, name = path.rpartition("/")
    return f"targets/{folder}{slash}{sha256}.{name}"


def tuf_key(key: PublicKey) -> Key:
    """A key of ours under the same id as everywhere else."""
    return SSlibKey(key.key_id, "ed25519", "ed25519", {"public": key.raw.hex()})


def our_key(key: Key) -> PublicKey:
    """Raises RemoteError for a key that is not Ed25519, or not under its own id."""
    try:
        found = PublicKey(bytes.fromhex(key.keyval["public"]))
    except (KeyError, TypeError, ValueError):
        found = PublicKey(b"")
    if key.keytype != "ed25519" or len(found.raw) != 32 or found.key_id != key.keyid:
        raise RemoteError(f"key {key.keyid[:16]}: not an Ed25519 key under its own id")
    return found


def parse(data: bytes, kind: type[SignedT], *, where: str) -> Metadata[SignedT]:
    """Metadata of one kind, not yet verified. Raises RemoteError."""
    if len(data) > METADATA_LIMIT_BYTES:
        raise RemoteError(f"{where}: larger than {METADATA_LIMIT_BYTES:,} bytes")
    try:
        found: Metadata[SignedT] = Metadata.from_bytes(data)
    except (DeserializationError, RepositoryError, RecursionError, ValueError):
        raise RemoteError(f"{where}: not TUF metadata") from None
    if not isinstance(found.signed, kind):
        raise RemoteError(f"{where}: is of the role {_role(found.signed)}, not {kind.type}")
    return found


def _role(signed: Signed) -> str:
    return str(signed.type)
