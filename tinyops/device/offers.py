"""What a device is offered, once it can be believed: the seam between those who verify and those who install.

Two ways lead here: signed entries alone, and TUF metadata. Whoever installs never sees a byte that was not verified.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tinyops.manifest.entry import Entry, choose_content
from tinyops.manifest.progress import Progress


@dataclass(frozen=True)
class Offered:
    """A verified entry. `digest` is that of its signed part without `expires`; `progress`, where its rollout has one
    that is verified and has not expired."""

    entry: Entry
    digest: str
    progress: Progress | None = None


class Offers(Protocol):
    """Verified offers of one release store."""

    def refresh(self) -> None:
        """One poll: brings in what is new. Raises RemoteError; what was known before is then still offered."""

    def offered(self, fleet: str, board: str) -> Offered:
        """As of the last refresh. Raises RemoteError (Refused, where it was signed and may not be taken)."""

    def stale_after(self) -> datetime | None:
        """When what is offered may not be installed any more; null where it never ends."""


def wanted(offered: Offered, position: int, runs: str | None = None) -> Entry | None:
    """The entry as a device at that position takes it; None: it stays with what it runs.

    `runs` is the digest of the model that it runs, confirmed: who has the new one keeps it while nothing is known.
    """
    rollout = offered.entry.rollout
    choice = choose_content(rollout, offered.progress, position, runs_new=runs == offered.entry.model.digest)
    if choice == "new":
        return offered.entry.model_copy(update={"rollout": None})
    if choice == "base" and rollout is not None and rollout.base is not None:
        return offered.entry.with_content(rollout.base)
    return None
