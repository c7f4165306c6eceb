"""The roles that people hold, as Git has them below `specs/trust`: every root, the next one, and signed targets.

`N.root.json` are finished roots. `root.json` is the newest, which may still wait for signatures; `targets.json` says
which release people let devices have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Metadata, Root, Targets

from tinyops.errors import RemoteError, SpecError, UsageError
from tinyops.files import read_bounded, write_atomic
from tinyops.manifest.keys import PublicKey, SigningKey
from tinyops.trust.building import root_role
from tinyops.trust.roles import (
    METADATA_LIMIT_BYTES,
    ROOT,
    SNAPSHOT,
    TARGETS,
    Keyholders,
    Lives,
    RoleKeys,
    SignedT,
    our_key,
    parse,
    versioned,
)
from tinyops.trust.signing import Signers, add_signature, root_signers, seal, to_bytes

FOLDER = Path("specs/trust")
ROOT_FILE, TARGETS_FILE = "root.json", "targets.json"
_INIT = "`tinyops trust init` makes the first root; docs/trust.md says who signs what"


@dataclass(frozen=True)
class Offline:
    """`finished` are the roots from version 1 on, each signed as it and the one before ask. `proposed` is the next one,
    not yet signed by enough; `targets` is what people signed, or are to sign."""

    folder: Path
    finished: tuple[bytes, ...] = ()
    proposed: Metadata[Root] | None = None
    targets: Metadata[Targets] | None = None

    @property
    def root(self) -> Root | None:
        """The newest finished root."""
        return _root(self.finished[-1], len(self.finished)).signed if self.finished else None

    @property
    def newest(self) -> Metadata[Root] | None:
        """The root that is proposed, else the finished one."""
        return self.proposed or (_root(self.finished[-1], len(self.finished)) if self.finished else None)

    def need_root(self) -> Root:
        """Raises SpecError where there is no finished root."""
        if self.root is not None:
            return self.root
        if self.proposed is not None:
            missing = "; ".join(str(found) for found in root_signers(self.proposed, None))
            raise SpecError(
                f"{self.folder / ROOT_FILE}: awaiting {missing} signatures: nothing is trusted yet",
                hint="`tinyops trust sign` adds a signature",
            )
        raise SpecError(f"{self.folder / ROOT_FILE}: there is no root, so nobody could verify metadata", hint=_INIT)


def load_offline(folder: Path) -> Offline:
    """Raises SpecError for a file that is damaged, and for a root that does not follow the one before."""
    finished: list[bytes] = []
    while (data := _read(folder / versioned(len(finished) + 1, ROOT))) is not None:
        _check_follows(folder, data, finished)
        finished.append(data)
    proposed, data = None, _read(folder / ROOT_FILE)
    if data is not None and (not finished or data != finished[-1]):
        proposed = _parsed(data, Root, folder / ROOT_FILE)
        _check_version(folder / ROOT_FILE, proposed.signed, len(finished) + 1)
        if all(found.met for found in root_signers(proposed, _last(finished))):
            finished.append(data)  # two people's commits were merged, and the last signature completed it
            proposed = None
    data = _read(folder / TARGETS_FILE)
    targets = _parsed(data, Targets, folder / TARGETS_FILE) if data is not None else None
    return Offline(folder, tuple(finished), proposed, targets)


def keyholders(root: Root) -> Keyholders:
    """Whose keys a root names. Raises RemoteError for keys that are not ours to use."""

    def held(role: str) -> RoleKeys:
        keys = tuple(our_key(root.keys[key_id]) for key_id in root.roles[role].keyids)
        return RoleKeys(keys, root.roles[role].threshold)

    return Keyholders(held(ROOT), held(TARGETS), held(SNAPSHOT).keys)


def change_role(
    role: RoleKeys, name: str, *, add: Iterable[PublicKey], remove: Collection[str], threshold: int | None
) -> RoleKeys:
    """A role with other keys; `remove` are beginnings of ids. Raises UsageError for what cannot be."""
    kept = [key for key in role.keys if not any(key.key_id.startswith(one) for one in remove)]
    for one in remove:
        if not any(key.key_id.startswith(one) for key in role.keys):
            raise UsageError(f"{name}: no key of it begins with {one}", hint="`tinyops trust status` lists them")
    keys = tuple({key.key_id: key for key in (*kept, *add)}.values())
    wanted = role.threshold if threshold is None else threshold
    if not 1 <= wanted <= len(keys):
        raise UsageError(
            f"{name}: {wanted} signatures of {len(keys)} keys can never be had",
            hint="add a key with --add, or name another --threshold",
        )
    return RoleKeys(keys, wanted)


def propose_root(
    offline: Offline, holders: Keyholders, keys: Iterable[SigningKey], now: datetime, lives: Lives
) -> Offline:
    """The next root, which names these keys, signed with those that are at hand and may."""
    role = root_role(holders, now, lives, len(offline.finished) + 1)
    return sign_root(replace(offline, proposed=seal(role)), keys)


def sign_root(offline: Offline, keys: Iterable[SigningKey]) -> Offline:
    """Adds the signatures of those keys that count; finished when they are enough."""
    root = offline.proposed
    if root is None:
        return offline
    wanted = awaited_for_root(offline)
    for key in keys:
        if key.public.key_id in wanted:
            add_signature(root, key)
    if all(found.met for found in root_signers(root, offline.root)):
        return replace(offline, finished=(*offline.finished, to_bytes(root, pretty=True)), proposed=None)
    return offline


def awaited_for_root(offline: Offline) -> frozenset[str]:
    """The ids of the keys whose signature the proposed root lacks."""
    if offline.proposed is None:
        return frozenset()
    return frozenset().union(*(found.missing for found in root_signers(offline.proposed, offline.root)))


def root_progress(offline: Offline) -> tuple[Signers, ...]:
    """Of the proposed root: of the old keys, and of its own."""
    return root_signers(offline.proposed, offline.root) if offline.proposed is not None else ()


def save_offline(offline: Offline) -> list[Path]:
    """Writes what changed; returns those files. A file that is there under a finished root's name never changes."""
    newest = to_bytes(offline.proposed, pretty=True) if offline.proposed else offline.finished[-1]
    files = {versioned(number, ROOT): data for number, data in enumerate(offline.finished, 1)}
    files[ROOT_FILE] = newest
    if offline.targets is not None:
        files[TARGETS_FILE] = to_bytes(offline.targets, pretty=True)
    written = []
    for name, data in files.items():
        if _read(offline.folder / name) != data:
            offline.folder.mkdir(parents=True, exist_ok=True)
            write_atomic(offline.folder / name, data)
            written.append(offline.folder / name)
    return written


def _check_follows(folder: Path, data: bytes, finished: list[bytes]) -> None:
    path = folder / versioned(len(finished) + 1, ROOT)
    root = _parsed(data, Root, path)
    _check_version(path, root.signed, len(finished) + 1)
    lacking = [found for found in root_signers(root, _last(finished)) if not found.met]
    if lacking:
        raise SpecError(
            f"{path}: {lacking[0]} of the signatures that it needs are right: no device would follow it",
            hint="a finished root never changes: bring the committed one back",
        )


def _check_version(path: Path, root: Root, wanted: int) -> None:
    if root.version != wanted:
        raise SpecError(f"{path}: is version {root.version} of the root, {wanted} is next")


def _last(finished: list[bytes]) -> Root | None:
    return _root(finished[-1], len(finished)).signed if finished else None


def _root(data: bytes, number: int) -> Metadata[Root]:
    return parse(data, Root, where=versioned(number, ROOT))


def _parsed(data: bytes, kind: type[SignedT], path: Path) -> Metadata[SignedT]:
    try:
        return parse(data, kind, where=str(path))
    except RemoteError as error:
        raise SpecError(error.message, hint="bring the committed file back") from None


def _read(path: Path) -> bytes | None:
    return read_bounded(path, METADATA_LIMIT_BYTES) if path.exists() else None
