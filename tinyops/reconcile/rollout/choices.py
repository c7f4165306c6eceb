"""What people may say of a rollout under way: hold, resume, halt. Pure: the online key signs no more than that."""

from __future__ import annotations

from datetime import datetime

from tinyops.errors import UsageError
from tinyops.manifest.document import FleetEntry, FleetRollout
from tinyops.manifest.fields import time_text
from tinyops.manifest.progress import Progress
from tinyops.reconcile.rollout.decide import REASON_CHARACTERS, halted, next_document
from tinyops.reconcile.rollout.quarantine import without


def hold(before: Progress, now: datetime, reason: str) -> Progress:
    """No further wave begins until a person resumes; the rollout can still halt."""
    if before.state in ("halted", "finished"):
        raise UsageError(f"the rollout of v{before.rollout} is {before.state}: there is nothing to hold")
    return next_document(before, now, state="holding", held_by="person", reason=reason[:REASON_CHARACTERS])


def resume(before: Progress, entry: FleetEntry, rollout: FleetRollout, now: datetime, reason: str = "") -> Progress:
    """Ends a person's hold; or tries a halted rollout once more, from the waves that it had reached.

    Its last wave then soaks anew, and what devices gave up before is forgiven them.
    """
    if before.state == "halted":
        kept, moment = without(before.quarantined, entry, rollout), time_text(now)
        again = {"since": moment, "resumed": moment, "quarantined": kept}
        return next_document(
            before,
            now,
            state="advancing",
            held_by=None,
            reason=reason[:REASON_CHARACTERS],
            waves=max(before.waves, 1),
            **again,
        )
    if before.held_by == "person":
        since = min(before.since, time_text(now))  # of a clock that was ahead once
        return next_document(
            before, now, state="advancing", held_by=None, reason=reason[:REASON_CHARACTERS], since=since
        )
    if before.state == "holding":
        raise UsageError("the fleet's spec holds its rollout", hint="take `rollout.hold` out of it")
    raise UsageError(f"the rollout of v{before.rollout} is {before.state}: there is nothing to resume")


def halt(before: Progress, entry: FleetEntry, rollout: FleetRollout, now: datetime, reason: str) -> Progress:
    """Nobody takes the new content any more, and it is quarantined; also after the rollout has ended."""
    if before.state == "halted":
        raise UsageError(f"the rollout of v{before.rollout} is halted already: {before.reason}")
    made = halted(entry, rollout, before, now, reason).progress
    assert made is not None
    return made
