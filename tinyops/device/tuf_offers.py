"""Offers by TUF metadata: entries and the progress of rollouts are what its targets say."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from tinyops.device.memory import Memory
from tinyops.device.offers import Offered, Refused, ask_anew, check_addressee, entry_digest, half_over
from tinyops.device.rollouts import Rollouts
from tinyops.errors import RemoteError
from tinyops.manifest.document import entry_asset
from tinyops.manifest.entry import ENTRY_LIMIT_BYTES, Entry, parse_entry
from tinyops.manifest.envelope import parse_envelope, verify
from tinyops.manifest.fields import time_text
from tinyops.manifest.keys import Trust
from tinyops.manifest.progress import PROGRESS_LIMIT_BYTES, Progress, progress_file
from tinyops.trust.client import Distrusted, MetadataClient
from tinyops.trust.origin import Origin

AnswerT = TypeVar("AnswerT")


class TufOffers:
    """What the metadata at an origin names. What was once asked for is brought in at each refresh.

    With `trust`, the keys that sign releases must have signed an entry as well.
    """

    def __init__(self, client: MetadataClient, origin: Origin, memory: Memory, trust: Trust | None = None) -> None:
        self._client, self._origin, self._memory, self._trust = client, origin, memory, trust
        self._known: dict[tuple[str, str], Offered] = {}
        self._progress: dict[str, tuple[tuple[bytes, ...], str]] = {}  # by fleet: documents, and a problem
        self._rollouts = Rollouts(memory)
        self._problems: tuple[str, ...] = ()

    def refresh(self) -> None:
        try:
            _refusing(self._client.refresh)
            self._memory.saw_alive()
            self._progress, self._rollouts.warnings = {}, {}
            self._problems = ask_anew(self._known, self._ask)
        finally:
            self._origin.close()

    def reach(self) -> None:
        """A refresh asked for metadata already."""

    def offered(self, fleet: str, board: str) -> Offered:
        pair = (fleet, board)
        try:
            if pair not in self._known:
                self._known[pair] = self._ask(fleet, board)
            known = self._known[pair]
            ends = self.stale_after()
            if ends is not None and ends <= self._memory.now():
                raise Refused(f"{self._origin.address}: its metadata expired at {time_text(ends)}")
            return replace(known, progress=self._progress_of(known.entry))
        finally:
            self._origin.close()

    def stale_after(self) -> datetime | None:
        return min((life.expires for life in self._client.lives()), default=None)

    def warnings(self) -> tuple[str, ...]:
        now, where = self._memory.now(), self._origin.address
        old = [
            half_over(f"{where}: its {life.role} metadata", life.expires)
            for life in self._client.lives()
            if life.half is not None and life.half < now
        ]
        return (*old, *self._problems, *self._rollouts.warnings.values())

    def _ask(self, fleet: str, board: str) -> Offered:
        name = entry_asset(fleet, board)
        data = _refusing(functools.partial(self._client.target, name, ENTRY_LIMIT_BYTES))
        where = f"{self._origin.address}: {name}"
        envelope = parse_envelope(data, limit_bytes=ENTRY_LIMIT_BYTES, where=where)
        if self._trust is not None:
            try:
                verify(envelope, self._trust, where=where)
            except RemoteError as error:
                raise Refused(error.message, hint=error.hint) from None
        entry = parse_entry(envelope, where=where)
        check_addressee(entry, fleet, board, where=where)
        if fleet not in self._progress and entry.rollout is not None:
            self._progress[fleet] = self._ask_progress(fleet)
        return Offered(entry, entry_digest(envelope))

    def _ask_progress(self, fleet: str) -> tuple[tuple[bytes, ...], str]:
        path = progress_file(fleet)
        kept = self._client.kept_target(path, PROGRESS_LIMIT_BYTES)
        known = (kept,) if kept is not None else ()
        try:
            return (self._client.target(path, PROGRESS_LIMIT_BYTES), *known), ""
        except RemoteError as error:
            return known, error.message

    def _progress_of(self, entry: Entry) -> Progress | None:
        if entry.rollout is None:
            return None
        documents, problem = self._progress.get(entry.fleet, ((), ""))
        where = f"{self._origin.address}: {progress_file(entry.fleet)}"
        believed = self._rollouts.believe(entry, entry.rollout, documents, where, problem)
        return believed[0] if believed else None


def _refusing(ask: Callable[[], AnswerT]) -> AnswerT:
    """What must not be believed is refused: a report says so."""
    try:
        return ask()
    except Distrusted as error:
        raise Refused(error.message, hint=error.hint) from None
