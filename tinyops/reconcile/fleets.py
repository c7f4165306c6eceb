"""What `tinyops fleet status`, its page and `tinyops ci drift` look at, read from a world."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from tinyops.documents import shown_path
from tinyops.manifest.fields import read_time, time_text
from tinyops.manifest.report import UnreadableReport
from tinyops.plan.gates import Miss, missed_gates
from tinyops.reconcile.fleet_status import Status, fleet_statuses
from tinyops.reconcile.needs import Looking, needs_of
from tinyops.reconcile.observed import has_reports, judging, reports_of
from tinyops.reconcile.rollouts import health_rules
from tinyops.reconcile.shifts import facts_by_board
from tinyops.reconcile.states import SILENT_AFTER, Judging, Observed, judge_reports
from tinyops.reconcile.trusting import metadata_notes
from tinyops.reconcile.world import World

UNREADABLE_SHOWN = 20
RELEASES_BACK = 50  # that are looked at to learn since when a fleet is offered what it is


def fleet_status(world: World, now: datetime) -> Status:
    """Where every fleet stands. Raises SpecError for a list of devices that is wrong."""
    by = judging(world, now)
    reports, unreadable = reports_of(world, by.lists)
    devices = judge_reports(reports, by)
    named = [*world.repository.fleets]
    looking = Looking(now, health_rules(world), _offered_since(world, by, devices))
    return Status(
        project=world.repository.project.document.name,
        version=world.manifest.version if world.manifest else 0,
        time=time_text(now),
        reporting=has_reports(world),
        fleets=fleet_statuses(devices, named, by),
        needs=needs_of(devices, looking),
        warnings=(*metadata_notes(world, now), *_warnings(by, unreadable)),
    )


def missed_today(world: World) -> Mapping[str, tuple[Miss, ...]]:
    """The gates of today's specs that the released model of a fleet does not reach, by fleet."""
    found: dict[str, tuple[Miss, ...]] = {}
    for name, entry in world.fleets.items():
        released = world.manifest.fleets.get(name) if world.manifest else None
        model = world.repository.models.get(entry.spec.model_name)
        made = facts_by_board(world.manifest, released).values() if world.manifest and released else ()
        if model is None:
            continue
        gates = model.document.spec.gates
        if missed := tuple(dict.fromkeys(miss for facts in made for miss in missed_gates(gates, facts))):
            found[name] = missed
    return found


def _warnings(by: Judging, unreadable: Iterable[UnreadableReport]) -> Iterator[str]:
    for name, rollout in sorted(by.rollouts.items()):
        if rollout.is_expired(by.now) and rollout.current is not None and rollout.current.state != "finished":
            ended = f"fleet {name}: the progress of its rollout expired at {rollout.current.expires}"
            yield f"{ended}: nobody takes new content before `tinyops rollout step` signs another"
    wrong = [*unreadable]
    for one in wrong[:UNREADABLE_SHOWN]:
        yield f"not a report: {shown_path(one.path)}: {one.reason.removeprefix(f'{one.path}: ')}"
    if len(wrong) > UNREADABLE_SHOWN:
        yield f"and {len(wrong) - UNREADABLE_SHOWN:,} more files that are no reports"


def _offered_since(world: World, by: Judging, devices: Iterable[Observed]) -> Mapping[str, datetime]:
    """Since when each fleet with devices that are behind is offered what they should run, as far as that matters."""
    fleets = sorted({device.fleet for device in devices if device.state == "behind"})
    return {fleet: since for fleet in fleets if (since := _since(world, by, fleet)) is not None}


def _since(world: World, by: Judging, fleet: str) -> datetime | None:
    rollout = by.rollouts.get(fleet)
    if rollout is not None and rollout.current is not None:
        return read_time(rollout.current.since)
    if by.manifest is None or fleet not in by.manifest.fleets:
        return None
    first, enough = by.manifest, by.now - max(SILENT_AFTER, timedelta(days=7))
    offered = {board: entry.model.digest for board, entry in first.fleets[fleet].boards.items()}
    for version in range(first.version - 1, max(first.version - RELEASES_BACK, 0), -1):
        earlier = world.past.read(version) if read_time(first.created) > enough and world.past else None
        entry = earlier.fleets.get(fleet) if earlier else None
        if earlier is None or entry is None or {b: e.model.digest for b, e in entry.boards.items()} != offered:
            break
        first = earlier
    return read_time(first.created)
