"""What a metadata host holds, read from its timestamp on and checked against the newest root."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias

from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from tinyops.errors import RemoteError
from tinyops.trust.building import Listed, Offer, offer_of, sha256_of
from tinyops.trust.places import View
from tinyops.trust.roles import (
    ROLLOUT,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    TIMESTAMP_FILE,
    SignedT,
    parse,
    target_file,
    versioned,
)
from tinyops.trust.signing import signers

_HINT = "put an intact copy of the metadata in its place, or empty the host and run `tinyops trust publish`"
_Read: TypeAlias = Callable[[str], bytes | None]


@dataclass(frozen=True)
class Held(Generic[SignedT]):
    """Metadata as it lies on the host. `trusted`: its signatures are those that the newest root wants."""

    metadata: Metadata[SignedT]
    data: bytes
    trusted: bool

    @property
    def signed(self) -> SignedT:
        return self.metadata.signed

    @property
    def version(self) -> int:
        return self.metadata.signed.version

    @property
    def listed(self) -> Listed:
        return Listed(self.version, self.data)


@dataclass(frozen=True)
class Published:
    """The metadata of one moment; nothing but the number of roots while there is none. `progress` is by fleet."""

    roots: int = 0
    timestamp: Held[Timestamp] | None = None
    snapshot: Held[Snapshot] | None = None
    targets: Held[Targets] | None = None
    rollout: Held[Targets] | None = None
    progress: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def offer(self) -> Offer | None:
        """The release that is offered to whoever trusts the newest root."""
        return offer_of(self.targets.signed) if self.targets is not None and self.targets.trusted else None

    def held(self) -> Iterator[tuple[str, Held[Timestamp] | Held[Snapshot] | Held[Targets]]]:
        """Every role that is there, by name."""
        for role in (TARGETS, ROLLOUT, SNAPSHOT, TIMESTAMP):
            if (found := getattr(self, role)) is not None:
                yield role, found


def read_published(view: View, root: Root) -> Published:
    """What a host offers. Raises RemoteError for what is damaged or does not belong together.

    Metadata that another key signed than the newest root names is read all the same: its version counts, as clients
    saw it, but it is not `trusted`.
    """
    roots = _newest_root(view.names())
    data = view.read(TIMESTAMP_FILE)
    if data is None:
        return Published(roots)
    timestamp = _held(data, Timestamp, root, TIMESTAMP, TIMESTAMP_FILE)
    listed = timestamp.signed.snapshot_meta
    snapshot = _held(
        _listed(view.read, SNAPSHOT, listed), Snapshot, root, SNAPSHOT, versioned(listed.version, SNAPSHOT)
    )
    meta = snapshot.signed.meta
    targets = _targets(view.read, meta, TARGETS, root)
    rollout = _targets(view.read, meta, ROLLOUT, targets.signed) if f"{ROLLOUT}.json" in meta else None
    progress = dict(_progress(view.read, rollout.signed)) if rollout is not None else {}
    return Published(roots, timestamp, snapshot, targets, rollout, progress)


def read_target(read: _Read, target: TargetFile) -> bytes:
    """The bytes of a listed target. Raises RemoteError."""
    name = target_file(target.path, sha256_of(target))
    data = _need(read, name)
    try:
        target.verify_length_and_hashes(data)
    except LengthOrHashMismatchError:
        raise RemoteError(f"{name}: is not the file that targets list", hint=_HINT) from None
    return data


def _targets(read: _Read, meta: Mapping[str, MetaFile], role: str, delegator: Root | Targets) -> Held[Targets]:
    if f"{role}.json" not in meta:
        raise RemoteError(f"snapshot: lists no {role}", hint=_HINT)
    listed = meta[f"{role}.json"]
    return _held(_listed(read, role, listed), Targets, delegator, role, versioned(listed.version, role))


def _progress(read: _Read, rollout: Targets) -> Iterator[tuple[str, bytes]]:
    for path, target in rollout.targets.items():
        yield path.removeprefix(f"{ROLLOUT}/").removesuffix(".json"), read_target(read, target)


def _held(data: bytes, kind: type[SignedT], delegator: Root | Targets, role: str, where: str) -> Held[SignedT]:
    metadata = parse(data, kind, where=where)
    try:
        trusted = signers(delegator, role, metadata).met
    except ValueError:  # nobody speaks for that role
        trusted = False
    return Held(metadata, data, trusted)


def _listed(read: _Read, role: str, meta: MetaFile) -> bytes:
    name = versioned(meta.version, role)
    data = _need(read, name)
    try:
        meta.verify_length_and_hashes(data)
    except LengthOrHashMismatchError:
        raise RemoteError(f"{name}: is not the file that the metadata above it names", hint=_HINT) from None
    return data


def _need(read: _Read, name: str) -> bytes:
    data = read(name)
    if data is None:
        raise RemoteError(f"{name}: is missing from the metadata host", hint=_HINT)
    return data


def _newest_root(names: Collection[str]) -> int:
    found = [0]
    for name in names:
        number, _, rest = name.partition(".")
        if rest == f"{ROOT}.json" and number.isdigit() and len(number) < 10:
            found.append(int(number))
    return max(found)
