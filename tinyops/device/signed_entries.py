"""Offers by signed entries alone: each is believed by the keys that sign releases, its rollout's progress by the online
keys that the entry names.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from tinyops.device.memory import Memory
from tinyops.device.offers import Offered, Refused, ask_anew, check_addressee, entry_digest
from tinyops.device.rollouts import Rollouts
from tinyops.device.source import Source
from tinyops.errors import RemoteError, TinyopsError
from tinyops.files import canonical_json, read_bounded, write_atomic
from tinyops.manifest.document import entry_asset
from tinyops.manifest.entry import ENTRY_LIMIT_BYTES, Entry, read_entry
from tinyops.manifest.fields import read_time
from tinyops.manifest.keys import Trust
from tinyops.manifest.progress import PROGRESS_LIMIT_BYTES, Progress, progress_file
from tinyops.trust.origin import Fetched, Missing, Origin

CACHE = "offers"
NOBODYS = "entry-.json"  # no fleet and no board have such names: whether a store answers
TELLS_TIME = timedelta(days=8)  # an entry that lives on for longer says too little of what day it is


@dataclass(frozen=True)
class Cache:
    """Small documents with their ETags, by name: what a server need not send again. Not trusted: whoever reads one
    verifies it."""

    folder: Path

    def get(self, name: str, address: str, limit_bytes: int) -> Fetched | None:
        """What this very address gave, or None."""
        try:
            value = json.loads(read_bounded(self.folder / name, 4 * limit_bytes))
            if value["address"] == address and value["etag"]:
                return Fetched(str(value["body"]).encode(), str(value["etag"]))
        except (TinyopsError, ValueError, KeyError, TypeError):
            pass
        return None

    def put(self, name: str, address: str, fetched: Fetched) -> None:
        """Raises ToolError."""
        if fetched.body is not None and fetched.etag:
            value = {"address": address, "etag": fetched.etag, "body": fetched.body.decode()}
            write_atomic(self.folder / name, canonical_json(value))


@dataclass(frozen=True)
class _Told:
    """What is told of a fleet's progress in one poll: documents, the newest first, where they lie, and what went wrong
    with asking. `new` came with an ETag, and is kept once it is verified."""

    documents: tuple[bytes, ...]
    where: str
    problem: str = ""
    new: Fetched | None = None


class SignedEntries:
    """Entries of the newest release of a store. What was once asked for is brought in at each refresh.

    `metadata` is where progress of rollouts lies; null: where the signed entries say, which `open_progress` opens.
    """

    def __init__(
        self,
        source: Source,
        store: str,
        trust: Trust,
        memory: Memory,
        folder: Path,
        open_progress: Callable[[str], Origin],
        metadata: Origin | None = None,
    ) -> None:
        self._source, self._store, self._trust, self._memory = source, store, trust, memory
        self._cache = Cache(folder / CACHE)
        self._metadata, self._open = metadata, open_progress
        self._known: dict[tuple[str, str], Offered] = {}
        self._told: dict[str, _Told] = {}  # of this poll, by fleet
        self._rollouts = Rollouts(memory)
        self._problems: tuple[str, ...] = ()

    def refresh(self) -> None:
        self._told, self._rollouts.warnings = {}, {}
        self._problems = ask_anew(self._known, self._fetch)

    def reach(self) -> None:
        with contextlib.suppress(Missing):
            self._source.entry(NOBODYS, "")

    def offered(self, fleet: str, board: str) -> Offered:
        pair = (fleet, board)
        if pair not in self._known:
            self._known[pair] = self._fetch(fleet, board)
        known = self._known[pair]
        return replace(known, progress=self._progress_of(known.entry))

    def stale_after(self) -> datetime | None:
        ends = [known.entry.expires for known in tuple(self._known.values())]
        return max((read_time(end) for end in ends if end is not None), default=None) if None not in ends else None

    def warnings(self) -> tuple[str, ...]:
        return (*self._problems, *self._rollouts.warnings.values())

    def _fetch(self, fleet: str, board: str) -> Offered:
        name = entry_asset(fleet, board)
        cached = self._cache.get(name, self._store, ENTRY_LIMIT_BYTES)
        fetched = self._source.entry(name, cached.etag if cached else "")
        body = fetched.body
        if body is None:
            assert cached is not None and cached.body is not None
            body = cached.body
        try:
            entry, envelope = read_entry(body, self._trust, where=name)
        except RemoteError as error:
            raise Refused(error.message, hint=error.hint) from None
        check_addressee(entry, fleet, board, where=name)
        self._cache.put(name, self._store, fetched)
        if entry.expires is not None and timedelta() < read_time(entry.expires) - self._memory.now() <= TELLS_TIME:
            self._memory.saw_alive()
        return Offered(entry, entry_digest(envelope))

    def _progress_of(self, entry: Entry) -> Progress | None:
        """That of an entry's rollout, or the last one that could be believed until it expires."""
        fleet, rollout = entry.fleet, entry.rollout
        if rollout is None:
            return None
        if fleet not in self._told:
            self._told[fleet] = self._ask_progress(fleet, rollout.progress)
        told = self._told[fleet]
        believed = self._rollouts.believe(entry, rollout, told.documents, told.where, told.problem)
        if believed is None:
            return None
        found, document = believed
        if told.new is not None and told.new.body == document:
            self._cache.put(progress_kept(fleet), told.where, told.new)
            self._told[fleet] = replace(told, new=None)
        return found

    def _ask_progress(self, fleet: str, said: str) -> _Told:
        """What lies there, and what an earlier poll believed."""
        origin, name = self._metadata, progress_file(fleet)
        if origin is None:
            if not said:
                return _Told((), "", "its entry does not say where it lies; tell the agent by --metadata")
            address, _, name = said.rpartition("/")
            origin = self._open(address)
        where = f"{origin.address}/{name}"
        cached = self._cache.get(progress_kept(fleet), where, PROGRESS_LIMIT_BYTES)
        known = (cached.body,) if cached is not None and cached.body is not None else ()
        try:
            fetched = origin.get(name, PROGRESS_LIMIT_BYTES, cached.etag if cached else "")
        except RemoteError as error:
            return _Told(known, where, error.message)
        finally:
            origin.close()
        return _Told(known, where) if fetched.body is None else _Told((fetched.body, *known), where, "", fetched)


def progress_kept(fleet: str) -> str:
    """Its name in the cache: no entry's begins so."""
    return f"progress-{fleet}.json"
