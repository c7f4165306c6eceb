"""The next document of a rollout: whether the next wave begins, it waits, halts, or has reached everybody. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tinyops.manifest.document import FleetEntry, FleetRollout
from tinyops.manifest.fields import read_time, time_text
from tinyops.manifest.progress import Progress
from tinyops.reconcile.rollout.quarantine import with_halted, without
from tinyops.reconcile.rollout.standing import Judged, Seen, Yardstick, judge_device
from tinyops.specs.rollout import Rollout

LIFE = timedelta(days=6)  # of a document: a schedule that stands still for less is noticed by nobody
SKEW = timedelta(minutes=10)  # between the clocks of two machines that both make steps
SEQUENCES_FROM = datetime(2020, 1, 1, tzinfo=UTC)
NAMED_MAX = 3
REASON_CHARACTERS = 400  # small devices read 8 KB
_NEARLY = 1e-9


@dataclass(frozen=True)
class Situation:
    """What a step is decided from.

    `rules` are today's, None where the spec has no rollout any more; `devices` those that count; `reporting` says
    whether the project has a place for reports; `listed` whether a file names the fleet's devices.
    """

    project: str
    fleet: str
    entry: FleetEntry
    rollout: FleetRollout
    rules: Rollout | None
    devices: Sequence[Seen]
    reporting: bool
    listed: bool
    previous: Progress | None
    now: datetime


@dataclass(frozen=True)
class WaveCount:
    """One wave that is reached: how many devices, and how they do."""

    number: int
    devices: int
    well: int = 0
    pending: int = 0
    failed: int = 0
    silent: int = 0
    judged: tuple[Judged, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Decision:
    """`progress` is the document to publish, None: the one that is there stays. `says` is why, in a sentence."""

    progress: Progress | None
    says: str
    waves: tuple[WaveCount, ...] = ()


def decide(at: Situation) -> Decision:
    """The next step of a rollout; the same situation gives the same decision, and taking it twice changes nothing."""
    before = at.previous
    if before is not None and (now := _checked_now(before, at.now)) != at.now:
        if now is None:
            text = f"this machine's clock says {time_text(at.now)}, the last step was made at {before.time}"
            return Decision(None, f"{text}: nothing goes on by a clock that goes back")
        at = replace(at, now=now)
    if before is not None and before.rollout > at.rollout.id:
        return Decision(None, f"the rollout of v{before.rollout} is newer than the release that was read")
    if before is None or before.rollout != at.rollout.id:
        return _begin(at)
    if before.state in ("halted", "finished"):
        why = f": {before.reason}" if before.reason else ""
        counts = count_waves(at, before, at.rules) if at.rules else ()
        return replace(_stay(at, before, f"{before.state} since {before.since}{why}"), waves=counts)
    if at.rules is None:
        return _stay(at, before, "its fleet's spec has no rollout any more: `tinyops apply` lets all devices take it")
    return _go_on(at, before, at.rules)


def _checked_now(before: Progress, now: datetime) -> datetime | None:
    last = read_time(before.time)
    return now if now >= last else last if last - now <= SKEW else None


def _begin(at: Situation) -> Decision:
    """The first document of a rollout: it opens the first wave unless the spec holds it."""
    before = at.previous
    text = time_text(at.now)
    made = Progress(
        project=at.project,
        fleet=at.fleet,
        rollout=at.rollout.id,
        sequence=1,
        state="advancing",
        waves=0,
        since=text,
        time=text,
        expires=text,
        begun=text,
        quarantined=without(before.quarantined, at.entry, at.rollout) if before else (),
    )
    sequence = before.sequence if before else _first_sequence(at.now)
    made = made.model_copy(update={"sequence": sequence})  # the next one is written
    hold = at.rules.hold if at.rules else None
    if at.rules is None or hold:
        return _hold(at, made, hold or "its fleet's spec has no rollout any more")
    return _open(at, made, 1)


def _first_sequence(now: datetime) -> int:
    """Rises with time, so that devices take the next document also where all earlier ones were lost."""
    return max(int((now - SEQUENCES_FROM) / timedelta(minutes=1)), 0)


def _go_on(at: Situation, before: Progress, rules: Rollout) -> Decision:
    counts = count_waves(at, before, rules)
    if _is_told(at, rules) and (why := _broken(counts, rules)):
        return replace(_halt(at, before, why), waves=counts)
    if before.held_by == "person":
        return replace(_stay(at, before, f"held: {before.reason}"), waves=counts)
    if rules.hold is not None:
        return replace(_hold(at, before, rules.hold), waves=counts)
    if before.waves == 0:
        return _open(at, before, 1)
    if waiting := _waits(at, before, rules, counts):
        if before.state == "holding":  # its spec does not hold it any more
            before = before.model_copy(update={"state": "advancing", "held_by": None, "reason": ""})
        return replace(_stay(at, before, waiting), waves=counts)
    if before.waves < len(at.rollout.waves):
        return replace(_open(at, before, before.waves + 1), waves=counts)
    return replace(
        _next(at, before, "every wave has soaked", state="finished", since=at.now, held_by=None), waves=counts
    )


def _is_told(at: Situation, rules: Rollout) -> bool:
    """Whether devices can be judged: boards that poll alone send no reports, and a spec may let them go by time."""
    return at.reporting and (rules.without_reports == "wait" or any(device.report for device in at.devices))


def _waits(at: Situation, before: Progress, rules: Rollout, counts: Sequence[WaveCount]) -> str:
    """What the next wave waits for; "" where it may begin."""
    current, soaked = counts[-1], read_time(before.since) + timedelta(hours=rules.soak_h)
    name, told = _name(at, current), _is_told(at, rules)
    if not told or (not at.listed and not at.devices):
        if rules.without_reports == "wait":
            nobody = "the project has no `reports`" if not at.reporting else "nobody reports and no file lists devices"
            return f"{name}: {nobody}: it waits for them, or for `without_reports: advance`"
    elif at.listed and current.devices == 0:
        return ""  # nobody is in it
    if at.now < soaked:
        return f"{name}: soaks until {time_text(soaked)}{_well(current)}"
    wanted = rules.health.min_reporting_share
    late = next((wave for wave in reversed(counts) if wave.well < wanted * wave.devices - _NEARLY), None)
    if not told or late is None:  # those before it, too: after a halt all of them went back
        return ""
    deadline = max(soaked, read_time(before.since) + timedelta(hours=rules.silent_after_h))
    return f"{_name(at, late)}: waits{_well(late)}, {wanted:.0%} must be by {time_text(deadline)}"


def _name(at: Situation, wave: WaveCount) -> str:
    return f"wave {wave.number} of {len(at.rollout.waves)}"


def _well(count: WaveCount) -> str:
    return f", {count.well:,} of {count.devices:,} devices well" if count.devices else ""


# -- counting ----------------------------------------------------------------------------------


def count_waves(at: Situation, before: Progress, rules: Rollout) -> tuple[WaveCount, ...]:
    """How the devices of each wave that is reached do."""
    members: list[list[Seen]] = [[] for _ in range(min(before.waves, len(at.rollout.waves)))]
    for device in at.devices:
        wave = wave_of(at.rollout, device.position)
        if wave < len(members) and device.board in at.entry.boards:
            members[wave].append(device)
    opened = _opened(before, rules, [len(wave) for wave in members])
    begun = read_time(before.begun or before.since)
    resumed = read_time(before.resumed) if before.resumed else None
    boards = dict(at.entry.boards)
    yardsticks = [Yardstick(boards, at.rollout, rules, at.now, o, min(begun, o), resumed) for o in opened]
    soak = timedelta(hours=rules.soak_h)
    if soak and yardsticks and before.state in ("advancing", "holding") and at.now >= opened[-1] + soak:
        yardsticks[-1] = replace(yardsticks[-1], alive_since=opened[-1] + soak / 2)
    return tuple(
        _count(number, [judge_device(device, by) for device in wave])
        for number, (wave, by) in enumerate(zip(members, yardsticks, strict=True), 1)
    )


def wave_of(rollout: FleetRollout, position: int) -> int:
    """The number of a device's wave, from 0."""
    return next((n for n, upto in enumerate(rollout.waves) if position <= upto), len(rollout.waves) - 1)


def _opened(before: Progress, rules: Rollout, sizes: Sequence[int]) -> list[datetime]:
    """When each wave began, at the latest: the last one at `since`, those before it have soaked by then. All that went
    back after a halt begin anew where a person resumed it."""
    moment, found = read_time(before.since), []
    resumed = read_time(before.resumed) if before.resumed else None
    for number in reversed(range(len(sizes))):
        if number < len(sizes) - 1 and sizes[number]:
            moment -= timedelta(hours=rules.soak_h)
        found.append(moment if resumed is None else max(moment, resumed))
    return found[::-1]


def _count(number: int, judged: Sequence[Judged]) -> WaveCount:
    by = Counter(device.standing for device in judged)
    return WaveCount(number, len(judged), by["well"], by["pending"], by["failed"], by["silent"], (*judged,))


def _broken(counts: Sequence[WaveCount], rules: Rollout) -> str:
    """Why the rollout must halt: a wave in which too many failed, or too few can still show that they are well."""
    health = rules.health
    for wave in counts:
        if wave.failed > health.failures_max_share * wave.devices + _NEARLY:
            text = f"wave {wave.number}: {wave.failed:,} of {wave.devices:,} devices failed"
            return f"{text}, {health.failures_max_share:.0%} may: {_named(wave.judged, 'failed')}"
        if wave.well + wave.pending < health.min_reporting_share * wave.devices - _NEARLY:
            lost = wave.failed + wave.silent
            text = f"wave {wave.number}: {lost:,} of {wave.devices:,} devices are silent, late or failed"
            return f"{text}, {health.min_reporting_share:.0%} must be well: {_named(wave.judged, 'silent', 'failed')}"
    return ""


def _named(judged: Iterable[Judged], *standings: str) -> str:
    found = [f"{device.name}: {device.why}" for device in judged if device.standing in standings]
    more = f", and {len(found) - NAMED_MAX:,} more" if len(found) > NAMED_MAX else ""
    return "; ".join(text[:200] for text in found[:NAMED_MAX]) + more


# -- documents ---------------------------------------------------------------------------------


def _open(at: Situation, before: Progress, wave: int) -> Decision:
    says = f"wave {wave} of {len(at.rollout.waves)} begins"
    return _next(at, before, says, state="advancing", waves=wave, since=at.now, held_by=None)


def _hold(at: Situation, before: Progress, why: str) -> Decision:
    if before.state == "holding" and before.reason == why[:REASON_CHARACTERS]:
        return _stay(at, before, f"held by its spec: {why}")
    return _next(at, before, f"held by its spec: {why}", state="holding", reason=why, held_by="spec")


def _halt(at: Situation, before: Progress, why: str) -> Decision:
    return halted(at.entry, at.rollout, before, at.now, why)


def halted(entry: FleetEntry, rollout: FleetRollout, before: Progress, now: datetime, why: str) -> Decision:
    """A rollout that goes no further: its files are quarantined."""
    held = with_halted(before.quarantined, entry, rollout)
    change = {
        "state": "halted",
        "since": time_text(now),
        "reason": why[:REASON_CHARACTERS],
        "held_by": None,
        "quarantined": held,
    }
    return Decision(next_document(before, now, **change), f"halted: {why}")


def _next(at: Situation, before: Progress, says: str, *, reason: str = "", **fields: Any) -> Decision:
    made = {name: time_text(v) if isinstance(v, datetime) else v for name, v in fields.items()}
    return Decision(next_document(before, at.now, reason=reason[:REASON_CHARACTERS], **made), says)


def _stay(at: Situation, before: Progress, says: str) -> Decision:
    """The document that is there, made anew where it changed or has lived half its life."""
    old = read_time(before.expires) - at.now < LIFE / 2
    changed = before != at.previous
    return Decision(next_document(before, at.now) if old or changed else None, says)


def next_document(before: Progress, now: datetime, **change: Any) -> Progress:
    """What follows a document: numbered one higher, with a new life."""
    times = {"time": time_text(now), "expires": time_text(now + LIFE)}
    return Progress.model_validate(
        {**dict(before), **times, "sequence": before.sequence + 1, **change}, strict=False, by_name=True
    )
