"""What fleets and boards are offered between two polls: asked once for all devices of each, never older than before."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from tinyops.device.gateway.choice import MODEL, Accepted, age_problem, expiry_problem
from tinyops.device.gateway.journal import Journal
from tinyops.device.offers import Offered, Offers, Refused
from tinyops.errors import RemoteError
from tinyops.manifest.entry import Entry, EntryContent
from tinyops.manifest.fields import read_time
from tinyops.trust.origin import Missing

STRANGE_MAX = 64  # fleets and boards without an offer that a poll asks for again


@dataclass(frozen=True)
class Standing:
    """An offer that may be taken, or why there is none: `refused`, it was signed and may not be taken. `expired` says
    why nothing new is installed by it."""

    offered: Offered | None
    problem: str = ""
    refused: bool = False
    expired: str = ""


class Standings:
    """The offers of one store, as of its last poll. For several threads: who asks during a poll waits for its end."""

    def __init__(
        self, offers: Offers, journal: Journal, now: Callable[[], datetime], project: str | None = None
    ) -> None:
        """`project`: the only one whose releases are taken."""
        self._offers, self._journal, self._now, self._project = offers, journal, now, project
        self._lock = threading.Lock()
        self._accepted = journal.accepted()
        self._models = journal.models()
        self._known: dict[tuple[str, str], Standing] = {}
        self.reached = False  # whether the last poll came to its end
        self.silence: RemoteError | None = None  # what somebody was not told since the last poll, and why
        self.warnings: tuple[str, ...] = ()
        self.stale_after: datetime | None = None

    def refresh(self) -> set[tuple[str, str]]:
        """One poll. Returns the fleets and boards whose offer is another than before. Raises RemoteError; what was
        known is then still offered."""
        with self._lock:
            before, self._known = self._known, {}
            self.reached, self.silence = False, None
            try:
                self._offers.refresh()
                if not before:  # nobody's offer was asked for: that alone would say nothing of the store
                    self._offers.reach()
            except BaseException:
                self._known = {pair: standing for pair, standing in before.items() if standing.offered is not None}
                raise
            self.reached = True
            changed = {p for p, standing in _asked_again(before).items() if self._of(*p).offered != standing.offered}
            self._note()
            return changed

    def of(self, fleet: str, board: str) -> Standing:
        """Raises JournalFailed."""
        with self._lock:
            found = self._of(fleet, board)
        if found.offered is None:
            return found
        now, offered = self._now(), found.offered
        if offered.progress is not None and read_time(offered.progress.expires) <= now:
            offered = replace(offered, progress=None)  # it was believed at a poll, and no other has come since
        return Standing(offered, expired=expiry_problem(offered.entry, self.stale_after, now))

    def _of(self, fleet: str, board: str) -> Standing:
        pair = (fleet, board)
        if pair not in self._known:
            self._known[pair] = self._ask(fleet, board)
            self._note()
        return self._known[pair]

    def _note(self) -> None:
        """What others read while a poll is under way."""
        self.warnings, self.stale_after = self._offers.warnings(), self._offers.stale_after()

    def about(self, image: str) -> dict[str, object] | None:
        """What a report says of a model image; None for one that no offer named."""
        found = self._models.get(image)
        return json.loads(found) if found is not None else None

    def model_of(self, image: str) -> str | None:
        """The digest of the model that a slot's image holds, as releases have it."""
        about = self.about(image)
        return str(about["model"]) if about is not None else None

    def wanted_files(self) -> frozenset[str]:
        """Digests of the files that offers name, also for devices of later waves."""
        contents = [c for s in [*self._known.values()] if s.offered is not None for c in _contents(s.offered.entry)]
        images = [image for content in contents for image in content.images.values()]
        deltas = [delta for image in images for delta in image.deltas]
        return frozenset(file.sha256 for file in (*images, *deltas, *(content.contract_file for content in contents)))

    def _ask(self, fleet: str, board: str) -> Standing:
        try:
            offered = self._offers.offered(fleet, board)
        except RemoteError as error:
            if not isinstance(error, (Missing, Refused)):
                self.silence = error
            return Standing(None, error.message, isinstance(error, Refused))
        if self._project not in (None, offered.entry.project):
            problem = f"{fleet}/{board}: is of project {offered.entry.project}, this gateway belongs to {self._project}"
            return Standing(None, problem, refused=True)
        if problem := age_problem(offered, self._accepted.get((fleet, board))):
            return Standing(None, f"{fleet}/{board}: {problem}", refused=True)
        accepted = Accepted(offered.entry.version, offered.digest)
        if self._accepted.get((fleet, board)) != accepted:
            images = [_about(content) for content in _contents(offered.entry)]
            self._journal.accept(fleet, board, accepted, images)
            self._accepted[fleet, board] = accepted
            self._models.update(images)
        return Standing(offered)


def _asked_again(known: Mapping[tuple[str, str], Standing]) -> dict[tuple[str, str], Standing]:
    """What has an offer, and of what has none the newest: devices name their fleets, and could name ever new ones."""
    strange = {*[pair for pair, standing in known.items() if standing.offered is None][:-STRANGE_MAX]}
    return {pair: standing for pair, standing in known.items() if pair not in strange}


def _contents(entry: Entry) -> tuple[EntryContent, ...]:
    """The base first: what both name is of the entry's release."""
    rollout = entry.rollout
    return (rollout.base, entry.content) if rollout is not None and rollout.base is not None else (entry.content,)


def _about(content: EntryContent) -> tuple[str, str]:
    """By the digest of its image; of a board without slots by that of its model."""
    image = content.images.get(MODEL)
    about = {
        "model": content.model.digest,
        "contract": f"sha256:{content.contract}",
        "version": content.version,
        "security_counter": content.security_counter,
    }
    return image.image if image is not None else content.model.sha256, json.dumps(about, sort_keys=True)
