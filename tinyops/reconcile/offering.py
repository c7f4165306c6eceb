"""Letting devices have a release: metadata signed by whom the specs name, and the store's pointer moved along."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from tuf.api.metadata import Metadata, Targets

from tinyops.errors import UnsafePlan
from tinyops.manifest.keys import PublicKey, SigningKey
from tinyops.reconcile.trusting import Delivery, Trusting
from tinyops.release.store import Lease, Release, ReleaseStore
from tinyops.trust.building import Offer, offer_of, targets_role
from tinyops.trust.offline import Offline, keyholders
from tinyops.trust.places import Moved
from tinyops.trust.published import Published, read_published
from tinyops.trust.publishing import Wanted, next_files
from tinyops.trust.roles import ROLLOUT, TARGETS, half_life
from tinyops.trust.signing import Signers, seal, signers, to_bytes
from tinyops.trust.sweeping import swept

ATTEMPTS = 5


def deliver(found: Trusting, releases: ReleaseStore, release: Release, lease: Lease, now: datetime) -> Delivery:
    """Brings metadata and pointer to the newest release, as far as it is signed. Level-triggered: a killed one is
    carried on by the next.

    Raises UnsafePlan for keys that the root does not name, Moved when others publish all the time.
    """
    held = found.offline()
    held.need_root()
    key = found.online_key()
    offer = Offer(project=found.project, version=release.manifest.version, manifest=release.digest)
    count = _count(held, offer) if found.by_people else Signers(frozenset(), frozenset(), 1)

    def decide(published: Published) -> Wanted | None:
        if not found.by_people:
            return _by_ci(found, held, published, offer, lambda: releases.documents(release), now)
        if count.met and held.targets is not None and _rises(published, held.targets):
            return Wanted(held.finished, to_bytes(held.targets), releases.documents(release))
        return _as_it_is(held, published)

    published, changed = bring(found, held, decide, key, now, f"Offer {release.manifest.tag}")
    shown = published.offer
    if shown is not None and shown.version != releases.offered():
        releases.offer(shown.version, lease)
    signed = len(count.signed) if found.by_people else int(shown is not None)
    offered = shown.version if shown is not None else 0
    return Delivery(offer.version, offered, min(signed, count.threshold), count.threshold, changed)


def refresh(found: Trusting, releases: ReleaseStore | None, now: datetime) -> tuple[Published, bool]:
    """Signs again what grows old, and only what is rightly signed. CI's own targets are signed again, too.

    Raises UnsafePlan where the host offers what nobody signed, or less than was offered already.
    """
    held = found.offline()
    held.need_root()
    offered = releases.offered() if releases is not None else 0

    def decide(published: Published) -> Wanted | None:
        if published.targets is None:
            return None
        offer = published.offer
        if offer is None:
            raise UnsafePlan(
                f"{found.place}: offers what too few of the keys signed that root {len(held.finished)} names",
                hint="`tinyops trust publish` puts signed metadata in its place",
            )
        if offer.version < offered:
            raise UnsafePlan(
                f"{found.place}: offers v{offer.version}, and v{offered} was offered already",
                hint="`tinyops trust publish` brings it there; did somebody put older metadata back?",
            )
        return _again(found, held, published, now)

    return bring(found, held, decide, found.online_key(), now, "Sign metadata again")


def read_host(found: Trusting, held: Offline) -> Published:
    """What the host offers. Raises RemoteError."""
    return read_published(found.place.look(), held.need_root())


def bring(
    found: Trusting,
    held: Offline,
    decide: Callable[[Published], Wanted | None],
    key: SigningKey,
    now: datetime,
    why: str,
) -> tuple[Published, bool]:
    """Looks, decides and writes; again when somebody else was faster. Returns what is there then, and whether it was
    written."""
    for attempt in range(1, ATTEMPTS + 1):
        view = found.place.look()
        published = read_published(view, held.need_root())
        wanted = decide(published)
        files = next_files(published, wanted, key, now, found.lives) if wanted is not None else {}
        if not files:
            return published, False
        try:
            found.place.change(files, swept(view, files), view.revision, why)
        except Moved:
            if attempt == ATTEMPTS:
                raise
            continue
        return read_host(found, held), True
    raise AssertionError("unreachable")


def propose_targets(
    found: Trusting, held: Offline, published: Published, release: Release, entries: Mapping[str, bytes], now: datetime
) -> Metadata[Targets]:
    """What people are asked to sign: the same as others signed already, or anew for a newer release, for new online
    keys, or where half of its life is over."""
    root = held.need_root()
    offer = Offer(project=found.project, version=release.manifest.version, manifest=release.digest)
    online = keyholders(root).online
    before = held.targets
    if before is not None and offer_of(before.signed) == offer and delegates(before.signed, online):
        until = half_life(before.signed)
        young = until is not None and now < until
        shown = published.targets
        if young and (shown is None or before.signed.version > shown.version or shown.trusted):
            return before
    versions = [0, *(m.signed.version for m in (before, published.targets and published.targets.metadata) if m)]
    return seal(targets_role(entries, offer, online, now, found.lives, max(versions) + 1))


def _by_ci(
    found: Trusting,
    held: Offline,
    published: Published,
    offer: Offer,
    read_entries: Callable[[], Mapping[str, bytes]],
    now: datetime,
) -> Wanted:
    if published.offer == offer:
        return _again(found, held, published, now)
    before = published.targets
    online = keyholders(held.need_root()).online
    entries = read_entries()
    version = before.version + 1 if before is not None else 1
    role = targets_role(entries, offer, online, now, found.lives, version)
    return Wanted(held.finished, to_bytes(seal(role, [found.targets_key()])), entries)


def _again(found: Trusting, held: Offline, published: Published, now: datetime) -> Wanted:
    """What is offered, once more. CI signs its own targets again at half of their life, and for new online keys, where
    it has that key: a schedule does well without."""
    before, offer = published.targets, published.offer
    assert before is not None
    online = keyholders(held.need_root()).online
    until = half_life(before.signed)
    grown = until is None or now >= until or not delegates(before.signed, online)
    key = found.targets_key_here() if grown and offer is not None else None
    if key is None or offer is None:
        return Wanted(held.finished, before.data)
    role = targets_role({}, offer, online, now, found.lives, before.version + 1)
    role.targets = before.signed.targets
    return Wanted(held.finished, to_bytes(seal(role, [key])))


def _as_it_is(held: Offline, published: Published) -> Wanted | None:
    """Too few people signed: what they signed before stays offered, and is kept young."""
    if published.targets is None or not published.targets.trusted:
        return None
    return Wanted(held.finished, published.targets.data)


def _rises(published: Published, targets: Metadata[Targets]) -> bool:
    """Devices never go back to older targets, and what was published under a version never changes."""
    return published.targets is None or targets.signed.version > published.targets.version


def _count(held: Offline, offer: Offer) -> Signers:
    """Who signed the targets in specs/trust, where they are those of that release."""
    root = held.need_root()
    role = root.roles[TARGETS]
    if held.targets is None or offer_of(held.targets.signed) != offer:
        return Signers(frozenset(), frozenset(role.keyids), role.threshold)
    return signers(root, TARGETS, held.targets)


def delegates(targets: Targets, online: Collection[PublicKey]) -> bool:
    """Whether targets let exactly these keys speak of rollouts."""
    roles = targets.delegations.roles if targets.delegations is not None else None
    role = roles.get(ROLLOUT) if roles else None
    return role is not None and set(role.keyids) == {key.key_id for key in online}
