"""What a halted rollout keeps from being released again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tinyops.manifest.document import BoardEntry, FleetEntry, FleetRollout
from tinyops.manifest.progress import QUARANTINED_MAX, Progress, Quarantined
from tinyops.plan.gates import Miss
from tinyops.specs.gates import Override

GATE = "canary"


def with_halted(before: Iterable[Quarantined], entry: FleetEntry, rollout: FleetRollout) -> tuple[Quarantined, ...]:
    """The quarantine after a rollout halted: the newest are kept, each file once."""
    new = {q.digest: q for q in (Quarantined(digest=d, rollout=rollout.id) for d in new_files(entry, rollout))}
    kept = [q for q in before if q.digest not in new]
    return (*kept, *new.values())[-QUARANTINED_MAX:]


def without(before: Iterable[Quarantined], entry: FleetEntry, rollout: FleetRollout) -> tuple[Quarantined, ...]:
    """The quarantine after it was decided to try a rollout's files once more: by a person, or by a signed release."""
    tried = new_files(entry, rollout)
    return tuple(q for q in before if q.digest not in tried)


def new_files(entry: FleetEntry, rollout: FleetRollout) -> tuple[str, ...]:
    """The digests of what was new in a rollout, in hex: of each board its model, or its firmware where that is not."""
    found = (_new_file(offered, rollout.base.boards.get(board)) for board, offered in sorted(entry.boards.items()))
    return (*dict.fromkeys(digest for digest in found if digest is not None),)


def quarantined(boards: Mapping[str, Iterable[str]], progress: Progress | None) -> Iterator[Miss]:
    """Each board that would get what a rollout of its fleet halted on; `boards` names the digests of its files."""
    known = {f"sha256:{q.digest}": q for q in progress.quarantined} if progress else {}
    for board, digests in sorted(boards.items()):
        held = next((known[digest] for digest in digests if digest in known), None)
        if held is not None:
            yield Miss(GATE, f"failed canary in v{held.rollout}{_why(progress, held)}", board)


def lifting(
    overrides: Iterable[Override], released: FleetEntry | None, progress: Progress | None
) -> tuple[Override, ...]:
    """The overrides that count: one that let a halted rollout begin is used up by it."""
    used = {(o.digest, o.reason, o.author, o.until) for o in released.overridden} if released else set()
    if not is_halted(released, progress):
        used = set()
    return tuple(
        o for o in overrides if o.gate != GATE or (o.digest, o.reason, o.author, o.until.isoformat()) not in used
    )


def is_halted(entry: FleetEntry | None, progress: Progress | None) -> bool:
    """Whether the rollout of a released entry is known to have halted."""
    rollout = entry.rollout if entry else None
    return bool(progress and rollout and progress.rollout == rollout.id and progress.state == "halted")


def _why(progress: Progress | None, held: Quarantined) -> str:
    """Known for the rollout that halted last only."""
    current = progress is not None and progress.rollout == held.rollout and progress.state == "halted"
    return f": {progress.reason}" if progress is not None and current and progress.reason else ""


def _new_file(offered: BoardEntry, before: BoardEntry | None) -> str | None:
    if before is None or offered.model.digest != before.model.digest:
        return offered.model.digest.removeprefix("sha256:")
    if offered.firmware is not None and (before.firmware is None or offered.firmware.digest != before.firmware.digest):
        return offered.firmware.digest.removeprefix("sha256:")
    return None
