"""What each role says, from what is to be offered: pure functions, nothing is signed or written here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import DelegatedRole, Delegations, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from tinyops.errors import RemoteError
from tinyops.manifest.fields import Digest, Name, Strict, Version, time_text
from tinyops.manifest.keys import PublicKey
from tinyops.manifest.progress import progress_file
from tinyops.trust.roles import (
    MADE,
    ROLLOUT,
    ROLLOUT_PATHS,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Keyholders,
    Lives,
    RoleKeys,
    tuf_key,
)

_ABOUT = "tinyops"  # a field of targets that TUF leaves to us


class Offer(Strict):
    """The release that targets metadata offers: `manifest` is the digest of its signed part."""

    project: Name
    version: Version
    manifest: Digest


@dataclass(frozen=True)
class Listed:
    """A file and its bytes, as metadata of another role lists it."""

    version: int
    data: bytes


def root_role(holders: Keyholders, now: datetime, lives: Lives, version: int = 1) -> Root:
    """The root that names these keys. Snapshot and timestamp are both of the online keys."""
    online = RoleKeys(holders.online)
    root = Root(
        version=version, expires=lives.expiry(ROOT, now), consistent_snapshot=True, unrecognized_fields=_made(now)
    )
    for role, held in ((ROOT, holders.root), (TARGETS, holders.targets), (SNAPSHOT, online), (TIMESTAMP, online)):
        for key in held.keys:
            root.add_key(tuf_key(key), role)
        root.roles[role].threshold = held.threshold
        root.roles[role].keyids.sort()
    return root


def targets_role(
    entries: Mapping[str, bytes],
    offer: Offer,
    online: Iterable[PublicKey],
    now: datetime,
    lives: Lives,
    version: int = 1,
) -> Targets:
    """Lists the signed entries of a release, by name, and lets the online keys speak of the progress of rollouts."""
    keys = {key.key_id: tuf_key(key) for key in online}
    delegated = DelegatedRole(ROLLOUT, sorted(keys), 1, terminating=True, paths=[ROLLOUT_PATHS])
    return Targets(
        version=version,
        expires=lives.expiry(TARGETS, now),
        targets={name: _listed(name, data) for name, data in sorted(entries.items())},
        delegations=Delegations(dict(sorted(keys.items())), {ROLLOUT: delegated}),
        unrecognized_fields={**_made(now), _ABOUT: offer.to_json()},
    )


def offer_of(targets: Targets) -> Offer | None:
    """Which release targets metadata says that it offers; None where it does not say it as we do."""
    try:
        return Offer.model_validate(targets.unrecognized_fields.get(_ABOUT))
    except ValueError:
        return None


def rollout_role(progress: Mapping[str, bytes], now: datetime, lives: Lives, version: int = 1) -> Targets:
    """Lists the progress documents, by fleet."""
    names = {progress_file(fleet): data for fleet, data in sorted(progress.items())}
    return Targets(
        version=version,
        expires=lives.expiry(ROLLOUT, now),
        targets={name: _listed(name, data) for name, data in names.items()},
        unrecognized_fields=_made(now),
    )


def snapshot_role(targets: Listed, rollout: Listed, now: datetime, lives: Lives, version: int = 1) -> Snapshot:
    """Which targets and which rollout metadata belong together."""
    meta = {f"{TARGETS}.json": _meta(targets), f"{ROLLOUT}.json": _meta(rollout)}
    expires = lives.expiry(SNAPSHOT, now)
    return Snapshot(version=version, expires=expires, meta=meta, unrecognized_fields=_made(now))


def timestamp_role(snapshot: Listed, now: datetime, lives: Lives, version: int = 1) -> Timestamp:
    expires = lives.expiry(TIMESTAMP, now)
    return Timestamp(version=version, expires=expires, snapshot_meta=_meta(snapshot), unrecognized_fields=_made(now))


def sha256_of(target: TargetFile) -> str:
    """The digest that names a target's file. Raises RemoteError."""
    found = target.hashes.get("sha256", "")
    if len(found) != 64 or set(found) - set("0123456789abcdef"):
        raise RemoteError(f"{target.path}: is listed without a SHA-256")
    return found


def _made(now: datetime) -> dict[str, str]:
    """When it was signed, so that whoever reads it knows how much of its life is over."""
    return {MADE: time_text(now)}


def _listed(name: str, data: bytes) -> TargetFile:
    return TargetFile.from_data(name, data, ["sha256"])


def _meta(listed: Listed) -> MetaFile:
    return MetaFile.from_data(listed.version, listed.data, ["sha256"])
