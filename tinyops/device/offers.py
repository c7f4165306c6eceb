"""What a device is offered, once it can be believed: the seam between those who verify and those who install.

Two ways lead here: signed entries alone, and TUF metadata. Whoever installs never sees a byte that was not verified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tinyops.errors import RemoteError
from tinyops.files import digest_json
from tinyops.manifest.entry import Entry, choose_content
from tinyops.manifest.envelope import Envelope
from tinyops.manifest.fields import time_text
from tinyops.manifest.progress import Progress
from tinyops.trust.origin import Missing

SILENT_MAX = 3  # questions of one poll to which nothing sensible came back


class Refused(RemoteError):
    """A release that is not for this device or cannot be trusted; `version` where its entry was signed right."""

    version: int | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Offered:
    """A verified entry. `digest` is that of its signed part without `expires`, so that an entry whose release is signed
    again to live longer is still the same one; `progress`, where its rollout has one that is verified and has not
    expired."""

    entry: Entry
    digest: str
    progress: Progress | None = None


class Offers(Protocol):
    """Verified offers of one release store."""

    def refresh(self) -> None:
        """One poll: brings in what is new. Raises RemoteError; what was known before is then still offered, as is what
        cannot be had while others can: `warnings` say so."""

    def reach(self) -> None:
        """Asks whether the store answers, of nobody's offer. Raises RemoteError."""

    def offered(self, fleet: str, board: str) -> Offered:
        """As of the last refresh. Raises RemoteError (Refused, where it was signed and may not be taken)."""

    def stale_after(self) -> datetime | None:
        """When nothing of what is offered may be installed any more; null where that never ends. An entry may end
        before."""

    def warnings(self) -> tuple[str, ...]:
        """What a person should look at as of the last refresh, although nothing is refused yet."""


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


def ask_anew(known: dict[tuple[str, str], Offered], ask: Callable[[str, str], Offered]) -> tuple[str, ...]:
    """Brings what is known by fleet and board up to date, and says what it could not: that of one must not hold up the
    others: it is asked last from then on. Raises the first RemoteError when it could bring nothing."""
    problems: list[RemoteError] = []
    silent = brought = 0
    for pair in tuple(known):
        try:
            known[pair] = ask(*pair)
            brought += 1
        except RemoteError as error:
            problems.append(error)
            known[pair] = known.pop(pair)
            silent += not isinstance(error, (Missing, Refused))
            if silent == SILENT_MAX:
                break
    if problems and not brought:
        raise problems[0]
    return tuple(f"what was known before is still offered: {error.message}" for error in problems)


def entry_digest(envelope: Envelope) -> str:
    """The digest of an entry as `Offered` has it."""
    return digest_json({name: value for name, value in envelope.signed.items() if name != "expires"})


def check_addressee(entry: Entry, fleet: str, board: str, *, where: str) -> None:
    """Raises Refused when a server hands out the right signature for another device."""
    problem = ""
    if entry.fleet != fleet:
        problem = f"is for fleet {entry.fleet}, this device belongs to {fleet}"
    elif entry.board != board:
        problem = f"is for board {entry.board}, this device is a {board}"
    if problem:
        refused = Refused(f"{where}: {problem}")
        refused.version, refused.digest = entry.version, entry.model.digest
        raise refused


def half_over(what: str, expires: datetime) -> str:
    """The warning at half of a document's life, while there is time to do something."""
    ends = f"{what} expires at {time_text(expires)}, and half of its life is over"
    return f"{ends}: is the schedule that signs it again still running?"
