"""What plans say of rollouts: which one a release would begin, on which terms, and what stays to go back to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from tinyops.errors import SpecError
from tinyops.manifest.document import FleetEntry, FleetRollout
from tinyops.manifest.progress import ONLINE_KEYS_MAX, progress_file
from tinyops.plan import Action, Change, Plan, Reason
from tinyops.reconcile.device_lists import devices_of, members_of
from tinyops.reconcile.rollout.published import TRUST_FOLDER, online_keys
from tinyops.reconcile.rollout.quarantine import GATE, is_halted, lifting
from tinyops.reconcile.rollout.starting import Terms, is_finished, terms_of
from tinyops.reconcile.rollout.waves import thresholds, wave_sizes
from tinyops.reconcile.world import World
from tinyops.specs.loader import Loaded
from tinyops.specs.model import Fleet
from tinyops.specs.rollout import Rollout

URL_MAX = 200
AT_ONCE = "all devices at once"


def terms(world: World) -> Mapping[str, Terms]:
    """By fleet, for those whose spec has a rollout. Raises SpecError without a public online key."""
    found = {}
    for name, entry in world.repository.fleets.items():
        if (rollout := entry.document.spec.rollout) is not None:
            waves = thresholds(rollout.waves, name, units(world, entry))
            found[name] = Terms(waves, rollout.on_failure, _keys(world, name), _address(world, name))
    return found


def units(world: World, entry: Loaded[Fleet]) -> Collection[str] | None:
    """What counts in a fleet's waves: listed devices that are not revoked, chains once each; None without a list.

    A gateway that runs no model stands in a list with a board that the fleet does not have, and takes no place.
    """
    listed = devices_of(world, entry)
    if listed is not None:
        return listed.units(entry.document.spec.targets)
    members = members_of(world.repository, entry)
    return members.chains if members is not None else None


def mark_terms(world: World, desired: dict[str, Any], released: dict[str, Any], day: date) -> None:
    """Adds to what plans compare: terms of a rollout under way that the spec has changed, and a second try."""
    wanted = terms(world)
    for name, entry in (world.manifest.fleets if world.manifest else {}).items():
        if name not in desired or name not in world.fleets or entry.rollout is None:
            continue
        released[name]["rollout"] = terms_of(entry.rollout)
        desired[name]["rollout"] = wanted[name].to_json() if name in wanted else AT_ONCE
        if _tries_again(world, name, entry, day):
            released[name]["rollout once more"], desired[name]["rollout once more"] = "", f"v{entry.rollout.id}"


def with_rollouts(world: World, plan: Plan) -> Plan:
    """The plan with the rollouts that its fleets would begin."""
    return replace(plan, changes=tuple(_with_rollout(world, change) for change in plan.changes))


def _with_rollout(world: World, change: Change) -> Change:
    entry = world.repository.fleets.get(change.subject) if change.kind == "fleet" else None
    if entry is None or change.action is not Action.UPDATE or entry.document.spec.rollout is None:
        return change
    again = any(reason.field == "rollout once more" for reason in change.reasons)
    if not change.follows and not again and not any(r.field == "security_counter" for r in change.reasons):
        return change
    lines = (*map(Reason, _promise(world, entry, entry.document.spec.rollout)),)
    return replace(change, reasons=(*change.reasons, *lines))


def _promise(world: World, entry: Loaded[Fleet], rollout: Rollout) -> Iterator[str]:
    name, counted = entry.document.name, units(world, entry)
    waves = thresholds(rollout.waves, name, counted)
    if counted is not None:
        sizes = ", ".join(f"{size:,}" for size in wave_sizes(waves, name, counted))
        text = f"rollout in {_waves(len(waves))} of {sizes} devices"
    else:
        text = f"rollout in {_waves(len(waves))} up to {', '.join(_share(wave) for wave in waves)} of its devices"
    yield f"{text}, each soaking {rollout.soak_h:g} h; after a failure devices {_after(rollout)}"
    if rollout.without_reports == "wait" and world.repository.project.document.spec.reports is None:
        yield "the project has no `reports`: after each wave it waits for them, or for `without_reports: advance`"
    if rollout.hold is not None:
        yield f"rollout held by its spec: {rollout.hold}"
    was = world.manifest.fleets.get(name) if world.manifest else None
    if was is not None and was.rollout is not None:
        yield from _unfinished(world, name, was.rollout)
    if was is not None and entry.document.spec.security_counter > was.security_counter:
        yield "its security counter rises: a device that has confirmed it cannot go back"


def _unfinished(world: World, name: str, rollout: FleetRollout) -> Iterator[str]:
    progress = world.progress.get(name)
    if not is_finished(rollout, progress):
        current = progress is not None and progress.rollout == rollout.id
        state = progress.state if progress is not None and current else "not begun"
        yield f"the rollout of v{rollout.id} is {state}: devices that wait have v{rollout.base.version}"


def _waves(count: int) -> str:
    return f"{count} waves" if count > 1 else "1 wave"


def _share(threshold: int) -> str:
    return f"{(threshold + 1) / 2**32:.1%}".replace(".0%", "%")


def _after(rollout: Rollout) -> str:
    return "go back" if rollout.on_failure == "revert" else "stay as they are"


def _tries_again(world: World, name: str, entry: FleetEntry, day: date) -> bool:
    """Whether an override lifts the quarantine of the released content itself."""
    progress = world.progress.get(name)
    overrides = lifting(world.fleets[name].spec.overrides, entry, progress)
    models = {*released_models(world, name)}
    return is_halted(entry, progress) and any(
        o.gate == GATE and o.digest in models and day <= o.until for o in overrides
    )


def released_models(world: World, name: str) -> Iterator[str]:
    """The int8 models that a release gives a fleet."""
    for step in dict.fromkeys(target.measured_step for target in world.targets[name].values()):
        if (record := world.released_records.get(step)) is not None:
            yield record.outputs["int8.tflite"].digest


def _keys(world: World, fleet: str) -> tuple[str, ...]:
    keys = online_keys(world.root)
    if not keys:
        hint = "`tinyops trust init` makes a root that names one; docs/trust.md says who signs what"
        text = f"{TRUST_FOLDER} names no online key, so no device could believe how far its rollout is"
        raise SpecError([world.repository.problem_at("Fleet", fleet, ("spec", "rollout"), text, hint)])
    return tuple(sorted(key.raw.hex() for key in keys[:ONLINE_KEYS_MAX]))


def _address(world: World, fleet: str) -> str:
    entry = world.repository.project
    host = entry.document.spec.metadata
    if host is None or host.url is None:
        return ""
    address = f"{host.url.rstrip('/')}/{progress_file(fleet)}"
    if len(address) > URL_MAX:
        text = f"{address}: longer than the {URL_MAX} characters that devices read"
        name = entry.document.name
        raise SpecError([world.repository.problem_at("Project", name, ("spec", "metadata", "url"), text)])
    return address
