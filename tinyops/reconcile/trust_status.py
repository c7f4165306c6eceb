"""`tinyops trust status` and the notes of `tinyops drift`: whose keys, what is offered, and what grows old."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import Root

from tinyops.errors import RemoteError, SpecError
from tinyops.files import JsonObject
from tinyops.manifest.fields import time_text
from tinyops.plan.awaiting import Awaiting
from tinyops.reconcile.offering import delegates
from tinyops.reconcile.trusting import Trusting, awaiting, trusting
from tinyops.release.secrets import keys_at_hand
from tinyops.release.store import Release, ReleaseStore
from tinyops.specs.loader import Repository
from tinyops.trust.offline import Offline, keyholders, root_progress
from tinyops.trust.published import Published, read_published
from tinyops.trust.roles import ROOT, SNAPSHOT, TARGETS, half_life
from tinyops.trust.signing import Signers

ONLINE = "online"
_FILE = {ROOT: ROOT, TARGETS: TARGETS, ONLINE: SNAPSHOT}
_WHO = {
    TARGETS: "`tinyops trust sign` lets them live on",
    ROOT: "`tinyops trust rotate root` proposes the same keys for longer",
}
_BY_CI = "`tinyops apply` signs them again"
_REFRESH = "`tinyops trust refresh` signs it again: does its schedule still run?"


@dataclass(frozen=True)
class RoleStatus:
    """A role of the newest finished root. `names` are those of keys that are on this machine, by id."""

    role: str
    threshold: int
    keys: tuple[str, ...]
    names: dict[str, str]


@dataclass(frozen=True)
class Life:
    """How long some metadata on the host still lives. `trusted` is false where the newest root's keys did not sign."""

    role: str
    version: int
    expires: datetime
    half: datetime | None
    trusted: bool

    def note(self, now: datetime, *, by_people: bool) -> str:
        """A sentence once half of its life is over; "" before."""
        if not self.trusted:
            return f"{self.role} {self.version}: signed by other keys than the newest root names: devices refuse it"
        if self.half is None or now < self.half:
            return ""
        over = "has expired" if now >= self.expires else "has lived half of its life"
        how = _BY_CI if self.role == TARGETS and not by_people else _WHO.get(self.role, _REFRESH)
        return f"{self.role} {self.version} {over}, until {time_text(self.expires)}: {how}"


@dataclass(frozen=True)
class TrustStatus:
    """`root` is the number of the newest finished root, 0 for none; `proposed` says how far the next one is signed.
    `unread` says why the host could not be read, "" when it was; `old_online`: targets still let an online key speak
    of rollouts that the root no longer names."""

    place: str
    root: int
    roles: tuple[RoleStatus, ...]
    proposed: tuple[Signers, ...]
    offered: int
    awaiting: Awaiting | None
    lives: tuple[Life, ...]
    unread: str
    by_people: bool
    old_online: bool = False

    def notes(self, now: datetime) -> list[str]:
        """What a person should know; empty where all is well."""
        found = [life.note(now, by_people=self.by_people) for life in self.lives]
        if self.proposed:
            counts = " and ".join(str(one) for one in self.proposed)
            found.append(f"root {self.root + 1} is awaiting {counts} signatures")
        if self.awaiting is not None:
            found.append(self.awaiting.sentence)
        if self.old_online:
            found.append(
                "targets let another online key speak of rollouts than the root names: they must be signed anew"
            )
        return [line for line in (self.unread, *found) if line]

    def to_json(self, now: datetime) -> JsonObject:
        return {
            "host": self.place,
            "root": self.root,
            "roles": [
                {"role": r.role, "threshold": r.threshold, "keys": [*r.keys], "names": r.names} for r in self.roles
            ],
            "proposed": [{"signed": sorted(s.signed), "threshold": s.threshold} for s in self.proposed],
            "offered": self.offered,
            "awaiting": vars(self.awaiting) if self.awaiting else None,
            "metadata": [
                {"role": x.role, "version": x.version, "expires": time_text(x.expires), "trusted": x.trusted}
                for x in self.lives
            ],
            "notes": self.notes(now),
        }


def trust_status(found: Trusting, waiting: Awaiting | None) -> TrustStatus:
    """Raises SpecError for damaged files in specs/trust. A host that cannot be read is said in the result."""
    held = found.offline()
    root = held.root
    published, unread = (Published(), "") if root is None else _read(found, root)
    return TrustStatus(
        place=str(found.place),
        root=len(held.finished),
        roles=tuple(_roles(root, keys_at_hand(found.root))) if root is not None else (),
        proposed=root_progress(held),
        offered=published.offer.version if published.offer else 0,
        awaiting=waiting,
        lives=tuple(_lives(held, published)),
        unread=unread,
        by_people=found.by_people,
        old_online=root is not None
        and published.targets is not None
        and not delegates(published.targets.signed, keyholders(root).online),
    )


def trust_notes(
    repository: Repository, releases: ReleaseStore | None, release: Release | None, now: datetime
) -> list[str]:
    """What drift has to say of a project's metadata; nothing for a project without."""
    found = trusting(repository)
    if found is None:
        return []
    try:
        status = trust_status(found, awaiting(repository, releases, release))
    except SpecError as error:
        return [error.message]
    notes = status.notes(now)
    newest = release.manifest.version if release else 0
    if not status.root and not status.proposed:
        return ["there is no root in specs/trust: `tinyops trust init` makes it"]
    if status.awaiting is None and not status.unread and status.offered < newest:
        offered = f"v{status.offered}" if status.offered else "nothing"
        notes.append(f"{status.place} offers {offered}, v{newest} is released: `tinyops trust publish` carries on")
    return notes


def status_lines(status: TrustStatus, now: datetime) -> list[str]:
    offered = f"v{status.offered} is offered" if status.offered else "nothing is offered yet"
    lines = [f"{status.place}: {offered}.", f"Root {status.root}:" if status.root else "There is no finished root."]
    for role in status.roles:
        lines.append(f"  {role.role}: {role.threshold} of {len(role.keys)} keys must sign")
        lines += [f"    {key}{f'  {role.names[key]}' if key in role.names else ''}" for key in role.keys]
    lines += [f"  {x.role} {x.version}: until {time_text(x.expires)}" for x in status.lives]
    notes = status.notes(now)
    return [*lines, *(["", *notes] if notes else [])]


def _read(found: Trusting, root: Root) -> tuple[Published, str]:
    try:
        return read_published(found.place.look(), root), ""
    except RemoteError as error:
        return Published(), f"the metadata cannot be read: {error.message}"


def _roles(root: Root, names: dict[str, str]) -> Iterator[RoleStatus]:
    for role, file in _FILE.items():
        held = root.roles[file]
        here = {key: names[key] for key in held.keyids if key in names}
        yield RoleStatus(role, held.threshold, tuple(held.keyids), here)


def _lives(held: Offline, published: Published) -> Iterator[Life]:
    if held.root is not None:
        yield Life(ROOT, held.root.version, held.root.expires, half_life(held.root), trusted=True)
    for role, found in published.held():
        yield Life(role, found.version, found.signed.expires, half_life(found.signed), found.trusted)
