"""Which releases begin a rollout, which carry one on, and what devices go back to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tinyops.errors import DoesNotFit
from tinyops.files import JsonObject, canonical_json
from tinyops.manifest.document import BoardEntry, FleetBase, FleetEntry, FleetRollout, Manifest
from tinyops.manifest.entry import ENTRY_LIMIT_BYTES, entries
from tinyops.manifest.progress import OnFailure, Progress
from tinyops.reconcile.rollout.quarantine import GATE, is_halted

SIGNATURE_BYTES = 220  # of an envelope: a key, 128 hex digits and their names


@dataclass(frozen=True)
class Terms:
    """What today's specs say of a fleet's rollouts, as its signed entries repeat it.

    `keys` are the online keys' bytes in hex, `progress` is where devices fetch how far a rollout is, or "".
    """

    waves: tuple[int, ...]
    on_failure: OnFailure
    keys: tuple[str, ...]
    progress: str = ""

    def to_json(self) -> JsonObject:
        """What takes effect on a rollout under way, as plans compare it: its waves do not move."""
        return {"on_failure": self.on_failure, "keys": [*self.keys], "progress": self.progress}


def terms_of(rollout: FleetRollout) -> JsonObject:
    """The same of a released rollout."""
    return {"on_failure": rollout.on_failure, "keys": [*rollout.keys], "progress": rollout.progress}


@dataclass(frozen=True)
class Before:
    """A fleet's last entry, the version of the release that it is of, and how far its rollout had come.

    `progress` is null where nobody said anything yet. `again`: the same content is to be tried once more.
    """

    entry: FleetEntry
    version: int
    progress: Progress | None = None
    again: bool = False


@dataclass(frozen=True)
class Rollouts:
    """What a release makes of rollouts: the terms of fleets that want one, and how far those before had come."""

    terms: Mapping[str, Terms] = field(default_factory=dict)
    progress: Mapping[str, Progress] = field(default_factory=dict)

    def begin(
        self, name: str, entry: FleetEntry, version: int, was: FleetEntry | None, lifted: Iterable[str] = ()
    ) -> FleetEntry:
        """A fleet's entry in a release with its rollout; `lifted` are the gates that it moves in spite of."""
        progress = self.progress.get(name)
        again = GATE in lifted and is_halted(was, progress)
        before = Before(was, version - 1, progress, again) if was is not None else None
        return entry.model_copy(update={"rollout": rollout_of(entry, version, self.terms.get(name), before)})


NO_ROLLOUTS = Rollouts()


def check_entries(manifest: Manifest) -> None:
    """Raises DoesNotFit for a signed entry that devices would not read."""
    signatures = SIGNATURE_BYTES * max(len(manifest.signed_by), 1)
    for name, entry in entries(manifest):
        size = len(canonical_json(entry.to_json())) + signatures
        if size > ENTRY_LIMIT_BYTES:
            text = f"{name}: {size:,} bytes with its rollout, devices read {ENTRY_LIMIT_BYTES:,}"
            raise DoesNotFit(text, hint="fewer waves, a shorter metadata.url, or shorter names of fleets and boards")


def rollout_of(entry: FleetEntry, version: int, terms: Terms | None, before: Before | None) -> FleetRollout | None:
    """The rollout of a fleet's entry in a release.

    None where all devices take it at once: the spec wants that, the fleet is new, nothing changed since it was all
    theirs, or it goes back to what they had before a rollout that did not end. A rollout's waves stay as they were
    when it began.
    """
    if terms is None or before is None:
        return None
    running = before.entry.rollout
    if content_of(entry) == content_of(before.entry) and not before.again:
        if running is None:
            return None
        return running.model_copy(
            update={"on_failure": terms.on_failure, "keys": terms.keys, "progress": terms.progress}
        )
    base = base_of(before)
    if _same(base, entry):
        return None
    return FleetRollout(
        id=version,
        waves=terms.waves,
        on_failure=terms.on_failure,
        keys=terms.keys,
        progress=terms.progress,
        base=base,
    )


def base_of(before: Before) -> FleetBase:
    """What devices have, whatever comes next: the last content, or while its rollout has not ended the one before."""
    entry, rollout = before.entry, before.entry.rollout
    if rollout is not None and not is_finished(rollout, before.progress):
        return rollout.base
    since = rollout.id if rollout is not None else before.version
    return FleetBase(version=since, security_counter=entry.security_counter, boards=entry.boards)


def is_finished(rollout: FleetRollout, progress: Progress | None) -> bool:
    """Whether a rollout is known to have reached everybody."""
    return progress is not None and progress.rollout == rollout.id and progress.state == "finished"


def content_of(entry: FleetEntry | FleetBase) -> JsonObject:
    """What a device would run, by board: every file that it is sent."""
    return {
        "security_counter": entry.security_counter,
        "boards": {board: _files(offered) for board, offered in sorted(entry.boards.items())},
    }


def _files(offered: BoardEntry) -> JsonObject:
    files = {name: file.digest for name, file in offered.files() if name != "bootloader"}
    return {**files, "contract": offered.contract}


def _same(base: FleetBase, entry: FleetEntry) -> bool:
    """Whether an entry offers each of its boards what the base has for it."""
    was, now = content_of(base), content_of(entry)
    return now["security_counter"] == was["security_counter"] and all(
        was["boards"].get(board) == files for board, files in now["boards"].items()
    )
