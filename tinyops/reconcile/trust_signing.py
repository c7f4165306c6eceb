"""`tinyops trust init, sign, rotate, revoke`: what people decide and sign, as files below specs/trust."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Metadata, Root, Targets

from tinyops.documents import shown_path
from tinyops.errors import SpecError, ToolError, UsageError
from tinyops.files import read_bounded
from tinyops.manifest.document import BoardEntry, Manifest
from tinyops.manifest.fields import time_text
from tinyops.manifest.keys import KEY_FILE_LIMIT_BYTES, PublicKey, SigningKey, parse_public_keys
from tinyops.process import run
from tinyops.reconcile.offering import propose_targets, read_host
from tinyops.reconcile.trusting import Trusting
from tinyops.release.secrets import keys_at_hand, load_signing_key, new_key
from tinyops.release.store import Release, ReleaseStore
from tinyops.remote.secrets import secret_path
from tinyops.trust.building import offer_of
from tinyops.trust.offline import (
    FOLDER,
    Offline,
    awaited_for_root,
    change_role,
    keyholders,
    propose_root,
    root_progress,
    save_offline,
    sign_root,
)
from tinyops.trust.roles import ROOT, SNAPSHOT, TARGETS, Keyholders, RoleKeys
from tinyops.trust.signing import Signers, add_signature, signers

ROOT_SECRET = "TINYOPS_ROOT_KEY"  # noqa: S105 its name
GIT_S = 30
SHOWN_DIGITS = 16


@dataclass(frozen=True)
class Signed:
    """What was shown and signed: lines for people, the ids of the keys that signed, the files that changed.

    `root` and `targets` say how far each is; None where it waits for nobody.
    """

    lines: tuple[str, ...]
    keys: tuple[str, ...]
    files: tuple[Path, ...]
    root: tuple[Signers, ...]
    targets: Signers | None


def init(
    found: Trusting, *, root_keys: Sequence[str], threshold: int, targets_keys: Sequence[str], now: datetime
) -> tuple[Offline, list[str]]:
    """The first root, and what was made for it. Raises UsageError where there is one, or where nobody could sign."""
    held = found.offline()
    if held.newest is not None:
        hint = "`tinyops trust status` shows it; `tinyops trust rotate` changes it"
        raise UsageError(f"{FOLDER}: there is a root already", hint=hint)
    targets = _first_targets(found, targets_keys)
    names = [*(root_keys or [ROOT_SECRET]), found.online_secret]
    made = [_made(name, found.root) for name in names if _is_secret(name) and not _at_hand(name, found.root)]
    root = [key for name in root_keys or [ROOT_SECRET] for key in public_keys(name, found.root)]
    online = public_keys(found.online_secret, found.root)
    root_role = change_role(RoleKeys(()), ROOT, add=root, remove=(), threshold=threshold)
    holders = Keyholders(root_role, targets, tuple(online))
    _check_apart(holders)
    proposed = propose_root(held, holders, _keys_here(found.root), now, found.lives)
    return proposed, made


def _first_targets(found: Trusting, names: Sequence[str]) -> RoleKeys:
    """Before any key is made: who signs targets, CI or enough people."""
    if not found.by_people:
        if names:
            hint = "signing: {targets: {by: people, …}}, or no --targets"
            raise UsageError("targets are signed by CI here", hint=hint)
        keys = [found.targets_key().public]
    else:
        keys = [key for name in names for key in public_keys(name, found.root)]
    wanted = found.targets.threshold
    if len({key.key_id for key in keys}) < wanted:
        hint = "`tinyops trust key NAME > name.pem` makes one for each; then `--targets name.pem`, once for each"
        raise UsageError(f"{wanted} people sign here, and {len(keys)} of their keys are named", hint=hint)
    return change_role(RoleKeys(()), TARGETS, add=keys, remove=(), threshold=wanted)


def rotate(
    found: Trusting,
    role: str,
    *,
    add: Sequence[str],
    remove: Collection[str],
    threshold: int | None,
    now: datetime,
) -> Offline:
    """The next root, with other keys in one role; the same keys, and a new life, where nothing is named."""
    held = found.offline()
    newest = _need_newest(held)
    holders = keyholders(newest.signed)
    added = [key for name in add for key in public_keys(name, found.root)]
    if role == "online":
        changed = change_role(RoleKeys(holders.online), role, add=added, remove=remove, threshold=None)
        holders = replace(holders, online=changed.keys)
    else:
        before = holders.root if role == ROOT else holders.targets
        changed = change_role(before, role, add=added, remove=remove, threshold=threshold)
        holders = replace(holders, root=changed) if role == ROOT else replace(holders, targets=changed)
    _check_apart(holders)
    return propose_root(held, holders, _keys_here(found.root), now, found.lives)


def revoke(found: Trusting, key: str, now: datetime) -> tuple[Offline, list[str]]:
    """The next root without a key in any role, and the roles that it had. Raises UsageError where none is left."""
    held = found.offline()
    holders = keyholders(_need_newest(held).signed)
    roles = {ROOT: holders.root, TARGETS: holders.targets, "online": RoleKeys(holders.online)}
    had = [name for name, role in roles.items() if any(k.key_id.startswith(key) for k in role.keys)]
    if not had:
        raise UsageError(f"no key begins with {key}", hint="`tinyops trust status` lists them")
    left = {
        name: change_role(role, name, add=(), remove=[key], threshold=None) if name in had else role
        for name, role in roles.items()
    }
    holders = Keyholders(left[ROOT], left[TARGETS], left["online"].keys)
    return propose_root(held, holders, _keys_here(found.root), now, found.lives), had


def sign(
    found: Trusting,
    releases: ReleaseStore | None,
    release: Release | None,
    *,
    names: Sequence[str],
    dry_run: bool,
    now: datetime,
) -> Signed:
    """Shows what waits for signatures and adds those of the keys that are here, or of those named.

    Raises UsageError when nothing waits, or when none of the keys counts.
    """
    held = found.offline()
    keys = [load_signing_key(name, found.root) for name in names] if names else _keys_here(found.root)
    lines = _root_lines(held)
    used = [key for key in keys if key.public.key_id in awaited_for_root(held)]
    if not dry_run:
        held = sign_root(held, used)
    count = None
    if found.by_people and held.root is not None and release is not None and releases is not None:
        held, shown, signing, count = _sign_targets(found, held, releases, release, keys, dry_run=dry_run, now=now)
        lines += shown
        used += signing
    if not lines:
        raise UsageError("nothing waits for a signature", hint="`tinyops trust status` says what is signed by whom")
    if not used and not dry_run:
        raise UsageError(
            _nobody(held, count), hint="name your key: --key NAME; `tinyops trust status` lists whose count"
        )
    files = () if dry_run else tuple(save_offline(held))
    ids = () if dry_run else tuple(dict.fromkeys(key.public.key_id for key in used))
    return Signed(tuple(lines), ids, files, root_progress(held), count)


def public_keys(name: str, root: Path) -> tuple[PublicKey, ...]:
    """The public keys of a PEM file, or the public half of a secret of this machine."""
    if _is_secret(name):
        return (load_signing_key(name, root).public,)
    return parse_public_keys(read_bounded(Path(name), KEY_FILE_LIMIT_BYTES), where=name)


def commit_files(root: Path, files: Sequence[Path], summary: str) -> None:
    """Commits these files alone. Raises ToolError."""
    git: list[str | Path] = ["git", "-C", root]
    run([*git, "add", "--", *files], timeout_s=GIT_S, what="git add")
    run([*git, "commit", "-q", "-m", summary, "--", *files], timeout_s=GIT_S, what="git commit")


def summary_of(signed: Signed) -> str:
    """The message of its commit."""
    what = [f"root {found}" for found in signed.root[-1:]] or (["the root"] if not signed.targets else [])
    what += [f"targets {signed.targets}"] if signed.targets else []
    return f"Sign {' and '.join(what)} with {', '.join(key[:SHOWN_DIGITS] for key in signed.keys)}"


def _sign_targets(
    found: Trusting,
    held: Offline,
    releases: ReleaseStore,
    release: Release,
    keys: Sequence[SigningKey],
    *,
    dry_run: bool,
    now: datetime,
) -> tuple[Offline, list[str], list[SigningKey], Signers]:
    published = read_host(found, held)
    targets = propose_targets(found, held, published, release, releases.documents(release), now)
    before = signers(held.need_root(), TARGETS, targets)
    shown = published.targets
    if shown is not None and shown.trusted and shown.version == targets.signed.version:
        return held, [], [], before  # offered already: what is published never changes
    lines = _targets_lines(targets, release, _offered(releases))
    used = [key for key in keys if key.public.key_id in before.missing]
    if not dry_run:
        for key in used:
            add_signature(targets, key)
    return replace(held, targets=targets), lines, used, signers(held.need_root(), TARGETS, targets)


def _offered(releases: ReleaseStore) -> Manifest | None:
    """The release that devices have now."""
    version = releases.offered()
    return releases.read(version).manifest if version else None


def _digests(entry: BoardEntry) -> dict[str, str]:
    """What a board gets, by what it is."""
    files = {name: file.digest for name, file in entry.files()}
    return {**files, **{f"image {slot}": image.digest for slot, image in entry.images.items()}}


def _root_lines(held: Offline) -> list[str]:
    """What a proposed root changes."""
    if held.proposed is None:
        return []
    after, before = held.proposed.signed, held.root
    lines = [f"Root {after.version}, until {time_text(after.expires)}:"]
    return [*lines, *(line for role in (ROOT, TARGETS, SNAPSHOT) for line in _role_lines(role, before, after))]


def _role_lines(name: str, before: Root | None, after: Root) -> Iterator[str]:
    role = after.roles[name]
    old = set(before.roles[name].keyids) if before is not None else set()
    what = "online" if name == SNAPSHOT else name
    yield f"  {what}: {role.threshold} of {len(role.keyids)} keys"
    for key in sorted({*role.keyids, *old}):
        sign = " " if key in old and key in role.keyids else "+" if key in role.keyids else "-"
        yield f"  {sign} {key}"


def _targets_lines(targets: Metadata[Targets], release: Release, before: Manifest | None) -> list[str]:
    """Which release targets offer, and what of it devices do not have yet."""
    offer = offer_of(targets.signed)
    assert offer is not None
    lines = [
        f"Targets {targets.signed.version}: offer v{offer.version} of {offer.project}, until "
        f"{time_text(targets.signed.expires)}.",
        f"  manifest {offer.manifest}, of {release.manifest.created}",
    ]
    was = {(f, b): entry for f, e in (before.fleets if before else {}).items() for b, entry in e.boards.items()}
    for fleet, entry in release.manifest.fleets.items():
        for board, offered in entry.boards.items():
            old = was.get((fleet, board))
            state = "new" if old is None else "same" if _digests(old) == _digests(offered) else "changed"
            lines.append(f"  {fleet}/{board}: model {offered.model.digest[:23]}… ({state})")
    return lines


def _nobody(held: Offline, count: Signers | None) -> str:
    awaited = sorted(awaited_for_root(held) | (count.missing if count is not None else frozenset()))
    if not awaited:
        return "everything is signed by everybody who may"
    return f"none of the keys here is awaited; these are: {', '.join(key[:SHOWN_DIGITS] for key in awaited)}"


def _need_newest(held: Offline) -> Metadata[Root]:
    if held.newest is None:
        raise SpecError(f"{FOLDER}: there is no root yet", hint="`tinyops trust init` makes one")
    return held.newest


def _check_apart(holders: Keyholders) -> None:
    """An online key that may also sign root or targets would make CI the master of everything."""
    online = {key.key_id for key in holders.online}
    for name, role in ((ROOT, holders.root), (TARGETS, holders.targets)):
        if both := sorted(online & {key.key_id for key in role.keys}):
            raise UsageError(
                f"key {both[0][:SHOWN_DIGITS]}… is an online key and one of {name}: whoever takes it from CI could "
                "offer anything",
                hint="let `signing.online` name a key of its own",
            )


def _keys_here(root: Path) -> list[SigningKey]:
    """Every signing key of this machine; those of variables only by name."""
    return [load_signing_key(name, root, {}) for name in keys_at_hand(root).values()]


def _is_secret(name: str) -> bool:
    return name.isupper() and "/" not in name and "." not in name


def _at_hand(name: str, root: Path) -> bool:
    try:
        load_signing_key(name, root)
    except ToolError:
        return False
    return True


def _made(name: str, root: Path) -> str:
    key = new_key(name, root)
    return (
        f"{shown_path(secret_path(name, root))}: a new private key (mode 0600), id {key.public.key_id[:SHOWN_DIGITS]}…."
    )


def progress_lines(held: Offline, files: Iterable[Path]) -> list[str]:
    """What was written, and what the root waits for."""
    lines = [f"{shown_path(path)}: written." for path in files]
    waiting = root_progress(held)
    if not waiting:
        return [*lines, f"Root {len(held.finished)} is signed. Commit {FOLDER}."]
    names = ("by the keys of its own",) if len(waiting) == 1 else ("by the keys before it", "by its own keys")
    counts = ", ".join(f"awaiting {found} {name}" for found, name in zip(waiting, names, strict=True))
    return [*lines, f"Root {len(held.finished) + 1}: {counts}. `tinyops trust sign` adds a signature."]
