"""The next edition of a metadata host's files: decided from what is there and what is wanted, then written at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tuf.api.metadata import Metadata, Root, Snapshot, Targets

from tinyops.errors import UnsafePlan
from tinyops.files import digest_bytes
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.progress import progress_file
from tinyops.trust.building import Listed, offer_of, rollout_role, snapshot_role, timestamp_role
from tinyops.trust.places import MetadataPlace
from tinyops.trust.published import Held, Published, read_published
from tinyops.trust.roles import (
    ROLLOUT,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    TIMESTAMP_FILE,
    Lives,
    SignedT,
    parse,
    target_file,
    versioned,
)
from tinyops.trust.signing import seal, signers, to_bytes
from tinyops.trust.sweeping import swept

LIVES = Lives()
RENEW_SHARE = 4  # metadata is signed anew when a quarter of its life is over; at half people are warned


@dataclass(frozen=True)
class Wanted:
    """What a host should say. `roots` are all finished ones, the first is version 1; `targets` is signed metadata and
    `entries` what it lists, by name, empty where the host has them. `progress` is by fleet, null: as it is."""

    roots: Sequence[bytes]
    targets: bytes
    entries: Mapping[str, bytes] = field(default_factory=dict)
    progress: Mapping[str, bytes] | None = None

    @property
    def root(self) -> Metadata[Root]:
        return parse(self.roots[-1], Root, where=versioned(len(self.roots), ROOT))


def next_files(
    published: Published, wanted: Wanted, key: SigningKey, now: datetime, lives: Lives = LIVES
) -> dict[str, bytes]:
    """Every file that changes, `timestamp.json` last; none when nothing does and all is young.

    Raises UnsafePlan for targets that too few people or keys signed, and for a key that is not an online one.
    """
    root = wanted.root.signed
    targets = _checked_targets(root, wanted.targets, key)
    progress = published.progress if wanted.progress is None else wanted.progress
    rollout = _rollout(published, targets.signed, progress, key, now, lives)
    listed = Listed(targets.signed.version, wanted.targets)
    snapshot = _snapshot(published.snapshot, listed, rollout, key, now, lives)
    stamp = _timestamp(published, snapshot, key, now, lives, len(wanted.roots))
    if stamp is None:
        return {}
    return {
        **{versioned(n, ROOT): data for n, data in enumerate(wanted.roots, 1) if n > published.roots},
        **_entry_files(targets.signed, wanted.entries),
        **{_progress_file(fleet, data): data for fleet, data in progress.items()},
        versioned(listed.version, TARGETS): listed.data,
        versioned(rollout.version, ROLLOUT): rollout.data,
        versioned(snapshot.version, SNAPSHOT): snapshot.data,
        **{progress_file(fleet): data for fleet, data in progress.items()},
        TIMESTAMP_FILE: stamp,
    }


def publish(
    place: MetadataPlace, wanted: Wanted, key: SigningKey, now: datetime, lives: Lives = LIVES, why: str = "publish"
) -> bool:
    """Brings a host to what is wanted; False when it was there already.

    Raises Moved when somebody else published meanwhile: look again, and decide again.
    """
    view = place.look()
    files = next_files(read_published(view, wanted.root.signed), wanted, key, now, lives)
    if files:
        place.change(files, swept(view, files), view.revision, why)
    return bool(files)


def _checked_targets(root: Root, data: bytes, key: SigningKey) -> Metadata[Targets]:
    targets = parse(data, Targets, where=TARGETS)
    found = signers(root, TARGETS, targets)
    if not found.met:
        raise UnsafePlan(
            f"targets: {found} of the keys that root {root.version} names signed them: they are not published",
            hint="`tinyops trust status` says who signed; `tinyops trust sign` adds a signature",
        )
    online = key.public.key_id
    if not all(online in root.roles[role].keyids for role in (SNAPSHOT, TIMESTAMP)):
        raise UnsafePlan(
            f"the online key {online[:16]}… is not one that root {root.version} names",
            hint="give CI the key that `tinyops trust status` names, or `tinyops trust rotate online`",
        )
    if offer_of(targets.signed) is None:
        raise UnsafePlan("targets: do not say which release they offer: tinyops did not make them")
    return targets


def _entry_files(targets: Targets, entries: Mapping[str, bytes]) -> dict[str, bytes]:
    hashed = {name: digest_bytes(data).removeprefix("sha256:") for name, data in entries.items()}
    for name, sha256 in hashed.items():
        if name not in targets.targets or targets.targets[name].hashes.get("sha256") != sha256:
            raise UnsafePlan(f"{name}: is not the entry that the signed targets list")
    return {target_file(name, sha256): entries[name] for name, sha256 in hashed.items()}


def _progress_file(fleet: str, data: bytes) -> str:
    return target_file(progress_file(fleet), digest_bytes(data).removeprefix("sha256:"))


def _rollout(
    published: Published,
    targets: Targets,
    progress: Mapping[str, bytes],
    key: SigningKey,
    now: datetime,
    lives: Lives,
) -> Listed:
    before = published.rollout
    same = before is not None and dict(progress) == dict(published.progress)
    counts = before is not None and signers(targets, ROLLOUT, before.metadata).met
    if before is not None and same and counts and _young(before, ROLLOUT, now, lives):
        return before.listed
    metadata = seal(rollout_role(progress, now, lives, _after(before)), [key])
    if signers(targets, ROLLOUT, metadata).met:
        return Listed(metadata.signed.version, to_bytes(metadata))
    if before is not None and same and counts:  # people have yet to sign targets for the new online key
        return before.listed
    raise UnsafePlan(
        f"targets: let others than {key.public.key_id[:16]}… speak of the progress of rollouts",
        hint="they were signed before the online key changed: targets must be signed anew",
    )


def _snapshot(
    before: Held[Snapshot] | None, targets: Listed, rollout: Listed, key: SigningKey, now: datetime, lives: Lives
) -> Listed:
    role = snapshot_role(targets, rollout, now, lives, _after(before))
    if before is not None and before.signed.meta == role.meta and _young(before, SNAPSHOT, now, lives):
        return before.listed
    return Listed(role.version, to_bytes(seal(role, [key])))


def _timestamp(
    published: Published, snapshot: Listed, key: SigningKey, now: datetime, lives: Lives, roots: int
) -> bytes | None:
    """None where the one that is there still does."""
    before = published.timestamp
    role = timestamp_role(snapshot, now, lives, _after(before))
    same = before is not None and before.signed.snapshot_meta == role.snapshot_meta
    if before is not None and same and published.roots == roots and _young(before, TIMESTAMP, now, lives):
        return None
    return to_bytes(seal(role, [key]))


def _young(held: Held[SignedT], role: str, now: datetime, lives: Lives) -> bool:
    """Rightly signed, and three quarters or more of its life ahead."""
    life: timedelta = lives.expiry(role, now) - now
    return held.trusted and held.signed.expires - now > life - life / RENEW_SHARE


def _after(held: Held[SignedT] | None) -> int:
    return 1 if held is None else held.version + 1
