"""One step of every rollout: what is there is read, the next document decided, and published where there is one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime

from tinyops.device.provision.devices_file import DevicesFile
from tinyops.device.reports.reading import settle
from tinyops.documents import closest
from tinyops.errors import UsageError
from tinyops.files import JsonObject
from tinyops.manifest.document import FleetEntry, FleetRollout, Manifest
from tinyops.manifest.progress import Progress, position
from tinyops.manifest.report import DeviceReport
from tinyops.reconcile.device_lists import devices_of
from tinyops.reconcile.observed import reports_of
from tinyops.reconcile.rollout import choices
from tinyops.reconcile.rollout.decide import Decision, Situation, decide
from tinyops.reconcile.rollout.published import Held, read_all
from tinyops.reconcile.rollout.publishing import Change, alone, publish
from tinyops.reconcile.rollout.standing import Seen
from tinyops.reconcile.world import World

WHY_CHARACTERS = 500
WARNINGS_MAX = 20
_NOTABLE = ("rollout", "state", "waves", "reason", "held_by")
Choose = Callable[[Progress, FleetEntry, FleetRollout], Progress]


@dataclass(frozen=True)
class Stepped:
    """A fleet after a step. `before` is the document that was there, `published` whether another one is there now."""

    fleet: str
    rollout: FleetRollout
    before: Progress | None
    decision: Decision
    published: bool

    @property
    def progress(self) -> Progress | None:
        return self.decision.progress if self.published else self.before

    def to_json(self) -> JsonObject:
        waves = [
            {
                "wave": wave.number,
                "devices": wave.devices,
                **{name: getattr(wave, name) for name in ("well", "pending", "failed", "silent")},
                "not_well": {d.name: f"{d.standing}: {d.why}" for d in wave.judged if d.standing != "well"},
            }
            for wave in self.decision.waves
        ]
        return {
            "fleet": self.fleet,
            "rollout": self.rollout.id,
            "waves": len(self.rollout.waves),
            "says": self.decision.says,
            "published": self.published,
            "progress": self.progress.to_json() if self.progress else None,
            "reached": waves,
        }


def step(
    world: World,
    now: datetime,
    fleets: Collection[str] = (),
    *,
    write: bool = True,
    warn: Callable[[str], None] = lambda _: None,
) -> tuple[Stepped, ...]:
    """Makes the next step of every rollout of the last release, or of some fleets'. Idempotent.

    With `write` unset it says what the next step would do. `warn` is told of reports that count for nothing. Raises
    Leased while another step is made here, Moved when one was made elsewhere, ToolError without the online key, and
    then only where there is something to sign.
    """
    for name in fleets:
        _check_name(world, name)
    lease: AbstractContextManager[None] = alone(world.repository) if write else nullcontext()
    with lease:
        manifest = world.offered
        held = read_all(world.repository, manifest)
        found = _situations(world, manifest, held, now, warn) if manifest else ()
        decided = [(at, decide(at)) for at in found if not fleets or at.fleet in fleets]
        changes = {at.fleet: _change(at.fleet, at.rollout, m.progress, held) for at, m in decided if m.progress}
        if write and manifest and changes:
            why = "; ".join(f"{at.fleet}: {made.says}" for at, made in decided if at.fleet in changes)
            publish(world.repository, [*changes.values()], _living(world, manifest), now, why[:WHY_CHARACTERS])
    return tuple(
        Stepped(at.fleet, at.rollout, at.previous, made, write and at.fleet in changes) for at, made in decided
    )


def choose(world: World, fleet: str, choice: Choose, now: datetime, why: str) -> Progress:
    """A person's choice for one fleet's rollout, published."""
    entry, manifest = _check_name(world, fleet), world.offered
    rollout = entry.rollout
    with alone(world.repository):
        held = read_all(world.repository, manifest)
        before = held.get(fleet)
        if rollout is None or before is None or before.progress.rollout != rollout.id:
            raise UsageError(f"the rollout of fleet {fleet} has not begun", hint="`tinyops rollout step` begins it")
        made = choice(before.progress, entry, rollout)
        change = _change(fleet, rollout, made, held)
        assert manifest is not None
        publish(world.repository, [change], _living(world, manifest), now, f"{fleet}: {why}"[:WHY_CHARACTERS])
    return made


def hold(now: datetime, reason: str) -> Choose:
    return lambda before, *_: choices.hold(before, now, reason)


def resume(now: datetime, reason: str) -> Choose:
    return lambda before, entry, rollout: choices.resume(before, entry, rollout, now, reason)


def halt(now: datetime, reason: str) -> Choose:
    return lambda before, entry, rollout: choices.halt(before, entry, rollout, now, reason)


def _check_name(world: World, name: str) -> FleetEntry:
    """The released entry of a fleet that has a rollout. Raises UsageError."""
    manifest = world.offered
    released = manifest.fleets if manifest else {}
    if name not in released:
        hint = closest(name, released) if released else "`tinyops apply` makes the first release"
        raise UsageError(f"no release has a fleet {name!r}", hint=hint)
    if released[name].rollout is None:
        hint = "one begins with the next content of a fleet whose spec has `rollout`"
        raise UsageError(f"fleet {name} has no rollout: all its devices take what is released", hint=hint)
    return released[name]


def _living(world: World, manifest: Manifest) -> Collection[str]:
    """Fleets whose documents stay: they have a rollout, or may have one again and a quarantine to remember."""
    return {*manifest.fleets, *world.fleets}


def _situations(
    world: World, manifest: Manifest, held: Mapping[str, Held], now: datetime, warn: Callable[[str], None]
) -> Iterator[Situation]:
    found = {
        name: listed for name, e in world.repository.fleets.items() if (listed := devices_of(world, e)) is not None
    }
    reports, unreadable = reports_of(world, found)
    for wrong in unreadable[:WARNINGS_MAX]:
        warn(f"not a report: {wrong.path}: {wrong.reason}")
    for name, entry in sorted(manifest.fleets.items()):
        if entry.rollout is None:
            continue
        listed = found.get(name)
        yield Situation(
            project=manifest.project,
            fleet=name,
            entry=entry,
            rollout=entry.rollout,
            rules=world.fleets[name].spec.rollout if name in world.fleets else None,
            devices=counting(entry, name, listed, reports, now),
            reporting=world.repository.project.document.spec.reports is not None,
            listed=listed is not None,
            previous=held[name].progress if name in held else None,
            now=now,
        )


def counting(
    entry: FleetEntry, fleet: str, listed: DevicesFile | None, reports: Iterable[DeviceReport], now: datetime
) -> tuple[Seen, ...]:
    """Who counts in a fleet's rollout: its listed devices that are not revoked, or whoever reports where none is."""
    known, doubts = settle((report for report in reports if report.fleet == fleet), now)
    if listed is not None:
        units = [(d.id, d.board, d.unit) for d in listed.devices.values() if not d.revoked and d.board in entry.boards]
    else:
        units = [(device, report.board, device) for (_, device), report in known.items()]
    return tuple(
        Seen(device, board, position(fleet, unit), known.get((fleet, device)), doubts.get((fleet, device), ""))
        for device, board, unit in units
    )


def _change(fleet: str, rollout: FleetRollout, progress: Progress, held: Mapping[str, Held]) -> Change:
    before = held.get(fleet)
    notable = before is None or any(getattr(before.progress, n) != getattr(progress, n) for n in _NOTABLE)
    return Change(fleet, progress, before.data if before else None, rollout.keys, notable)
