"""What a release, as far as its rollouts are, wants of each device. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tinyops.manifest.document import BoardEntry, FleetRollout, Manifest
from tinyops.manifest.entry import Choice, EntryRollout, choose_content
from tinyops.manifest.fields import read_time
from tinyops.manifest.progress import POSITIONS, Progress, position
from tinyops.manifest.report import Running


@dataclass(frozen=True)
class Rollout:
    """One fleet's rollout. `boards` holds the waves as the entry of each board has them; `progress` the last one known,
    expired or not: what devices took by it they keep."""

    boards: Mapping[str, EntryRollout] = field(default_factory=dict)
    progress: Progress | None = None

    @property
    def any_board(self) -> EntryRollout | None:
        """Waves and keys are the same for every board of a fleet."""
        return next(iter(self.boards.values()), None)

    @property
    def current(self) -> Progress | None:
        """The progress, unless it is of an earlier rollout."""
        rollout = self.any_board
        return self.progress if self.progress and rollout and self.progress.rollout == rollout.id else None

    @property
    def is_halted(self) -> bool:
        return self.current is not None and self.current.state == "halted"

    @property
    def reached(self) -> int:
        """How many waves are reached."""
        waves = len(self.any_board.waves) if self.any_board else 0
        if self.current is None:
            return 0
        return waves if self.current.state == "finished" else min(self.current.waves, waves)

    def is_expired(self, now: datetime) -> bool:
        return self.current is not None and read_time(self.current.expires) <= now

    def shares(self) -> tuple[float, ...]:
        """Up to which share of all positions each wave goes."""
        return tuple((upto + 1) / POSITIONS for upto in (self.any_board.waves if self.any_board else ()))


Rollouts = Mapping[str, Rollout]


@dataclass(frozen=True)
class Wanted:
    """What one device should run: `model`, and `version` of the release that first offered it so; null where it may
    keep whatever it has. `runs_new`: it runs what the release brings. `wave` counts from 1, null without a rollout."""

    choice: Choice
    model: str | None
    version: int | None
    runs_new: bool
    wave: int | None = None


def wanted_of(
    manifest: Manifest | None, rollouts: Rollouts, fleet: str, board: str, unit: str, running: Running | None = None
) -> Wanted | None:
    """What the release wants of a device, or of its chain (`unit`); None where it has none of its fleet and board."""
    released = manifest.fleets.get(fleet) if manifest else None
    offered = released.boards.get(board) if released else None
    if manifest is None or released is None or offered is None:
        return None
    is_new = running is not None and runs_new(running, offered, released.rollout, board)
    known = rollouts.get(fleet)
    rollout = known.boards.get(board) if known else None
    if known is None or rollout is None:
        return Wanted("new", offered.model.digest, manifest.version, is_new)
    at = position(fleet, unit)
    choice = choose_content(rollout, known.progress, at, runs_new=is_new)
    base = rollout.base
    digests = {"new": offered.model.digest, "base": base.model.digest if base else None, "keep": None}
    versions = {"new": rollout.id, "base": base.version if base else None, "keep": None}
    return Wanted(choice, digests[choice], versions[choice], is_new, rollout.wave_of(at) + 1)


def runs_new(running: Running, offered: BoardEntry, rollout: FleetRollout | None, board: str) -> bool:
    """Whether what runs is what the release brings, not what the fleet had before with the same model."""
    if running.model != offered.model.digest:
        return False
    before = rollout.base.boards.get(board) if rollout else None
    if rollout is None or before is None or before.model.digest != offered.model.digest:
        return True
    old, new = (
        {file.digest for name, file in one.files() if name.startswith(("firmware", "images"))}
        for one in (before, offered)
    )
    return running.firmware in new - old if running.firmware in new | old else running.version >= rollout.id
