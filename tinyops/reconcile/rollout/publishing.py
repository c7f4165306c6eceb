"""Writing how far rollouts are onto the metadata's host: signed, only onto what was read, with a log beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.errors import UnsafePlan
from tinyops.manifest.envelope import seal
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.progress import Progress, progress_file
from tinyops.reconcile.trusting import Trusting, need_trusting
from tinyops.release.lease import holding
from tinyops.specs.loader import Repository

if TYPE_CHECKING:
    from tinyops.trust.places import View
    from tinyops.trust.published import Published
    from tinyops.trust.publishing import Wanted

LOG_LINES_MAX = 200
LOG_LIMIT_BYTES = 2 * 1024 * 1024
LEASE = Path(".tinyops") / "rollout-lease"


def log_file(fleet: str) -> str:
    """The signed documents that changed something for people, a line each, oldest first."""
    return f"rollout/{fleet}.log"


@dataclass(frozen=True)
class Change:
    """A fleet's next document. `seen` is the file that it was decided from, None: there was none. `keys` are those
    that the fleet's released entries believe, in hex."""

    fleet: str
    progress: Progress
    seen: bytes | None
    keys: Collection[str]
    notable: bool = True


@contextmanager
def alone(repository: Repository) -> Iterator[None]:
    """One step at a time on this machine; others are told apart by what they saw. Raises Leased."""
    with holding(repository.root / LEASE, "rollout step"):
        yield


def publish(
    repository: Repository, changes: Sequence[Change], fleets: Collection[str], now: datetime, why: str
) -> None:
    """Puts documents on the host, all or nothing; those of other fleets than `fleets` go. Their log follows.

    Raises Moved where another one was written since they were decided, UnsafePlan for a key that nobody believes.
    """
    from tinyops.reconcile.offering import bring

    found = need_trusting(repository)
    key, held = found.online_key(), found.offline()
    for change in changes:
        _check_believed(change, key)
    sealed = {change.fleet: seal(change.progress.to_json(), [key]).to_bytes() for change in changes}

    def decide(published: Published) -> Wanted:
        return _wanted(found, published, changes, sealed, fleets, held.finished)

    bring(found, held, decide, key, now, why)
    _log(found, [change.fleet for change in changes if change.notable], sealed, why)


def _wanted(
    found: Trusting,
    published: Published,
    changes: Sequence[Change],
    sealed: Mapping[str, bytes],
    fleets: Collection[str],
    roots: Sequence[bytes],
) -> Wanted:
    from tinyops.trust.places import Moved
    from tinyops.trust.publishing import Wanted

    if published.targets is None:
        raise UnsafePlan(f"{found.place}: nothing is offered there yet", hint="`tinyops trust publish` does that")
    for change in changes:
        name = progress_file(change.fleet)
        # A publisher that was killed may have left the plain file ahead of the metadata: what was read is that file.
        if published.progress.get(change.fleet) != change.seen and found.place.look().read(name) != change.seen:
            raise Moved(
                f"{found.place}: {name} changed meanwhile: somebody else made a step", hint="run the same again"
            )
    kept = {fleet: data for fleet, data in published.progress.items() if fleet in fleets}
    return Wanted(roots, published.targets.data, progress={**kept, **sealed})


def _check_believed(change: Change, key: SigningKey) -> None:
    if key.public.raw.hex() not in change.keys:
        raise UnsafePlan(
            f"fleet {change.fleet}: its released entries do not believe online key {key.public.key_id[:16]}…",
            hint="the key was rotated, or is another one: `tinyops apply` releases entries that name today's",
        )


def _log(found: Trusting, fleets: Collection[str], sealed: Mapping[str, bytes], why: str) -> None:
    """Only for people: whoever is faster here loses no step, at worst a line."""
    if not fleets:
        return
    from tinyops.trust.places import Moved

    view = found.place.look()
    files = {log_file(fleet): logged(view, fleet, sealed[fleet]) for fleet in fleets}
    with suppress(Moved):
        found.place.change(files, (), view.revision, f"Log: {why}")


def logged(view: View, fleet: str, sealed: bytes) -> bytes:
    """The log with one line more; the oldest go."""
    lines = [*(view.read(log_file(fleet)) or b"").splitlines(), sealed.strip()][-LOG_LINES_MAX:]
    while sum(map(len, lines)) > LOG_LIMIT_BYTES:
        lines.pop(0)
    return b"".join(line + b"\n" for line in lines)
