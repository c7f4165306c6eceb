"""Large accidents: what no plan does unless a spec says so by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from tinyops.errors import UnsafePlan
from tinyops.manifest.document import FleetEntry, Manifest
from tinyops.manifest.keys import PublicKey
from tinyops.reconcile.world import World
from tinyops.specs.gates import Limit, LimitOverride
from tinyops.specs.model import Fleet

SHOWN_RELEASES = 10


@dataclass(frozen=True)
class Danger:
    """Something that must not happen by accident. `limit` is what an override names; None: nothing lifts it."""

    text: str
    hint: str
    limit: Limit | None = None
    fleet: str | None = None


def check_safe(world: World, day: date, key: PublicKey | None = None) -> tuple[LimitOverride, ...]:
    """The overrides that what is about to happen needs and has. `key` is the one that will sign, where it is known.

    Raises UnsafePlan with every danger that no override lifts.
    """
    used: list[LimitOverride] = []
    left: list[Danger] = []
    for danger in _dangers(world, day, key):
        override = find_override(world, day, danger.limit, danger.fleet) if danger.limit else None
        if override is not None:
            used.append(override)
        else:
            left.append(danger)
    if left:
        raise UnsafePlan("\n".join(d.text for d in left), hint="\n  ".join(dict.fromkeys(_hints(world, left))))
    return (*used,)


def find_override(world: World, day: date, limit: Limit, fleet: str | None = None) -> LimitOverride | None:
    """The project's override that lifts a limit for the release that follows the last one."""
    overrides, release = world.repository.project.document.spec.overrides, _release(world)
    fitting = (o for o in overrides if (o.limit, o.fleet, o.release) == (limit, fleet, release) and day <= o.until)
    return next(fitting, None)


def override_line(world: World, limit: Limit, fleet: str | None = None) -> str:
    """The line that lifts a limit, to be pasted into the project's `overrides` and filled in."""
    named = f"fleet: {fleet}, " if fleet else ""
    return f'{{limit: {limit}, {named}release: "{_release(world)}", reason: …, author: …, until: …}}'


def _release(world: World) -> str | None:
    return world.release.digest if world.release else None


def _hints(world: World, left: Iterable[Danger]) -> Iterator[str]:
    for danger in left:
        if danger.limit is None:
            yield danger.hint
        else:
            line = override_line(world, danger.limit, danger.fleet)
            yield f"{danger.hint}; if it is meant, the project's `overrides` need {line}"


def _dangers(world: World, day: date, key: PublicKey | None) -> Iterator[Danger]:
    manifest = world.manifest
    if manifest is None:
        return
    for name, entry in manifest.fleets.items():
        fleet = world.fleets.get(name)
        if fleet is None:
            yield from _lost(world, name, entry, day)
        else:
            yield from _shrunk(world, name, entry, fleet)
            yield from _counted(world, name, entry, fleet, manifest)
    if key is not None and manifest.signed_by and key.key_id not in manifest.signed_by:
        old = ", ".join(signer[:8] for signer in manifest.signed_by)
        text = f"{manifest.tag} is signed with key {old}, the next release would be with {key.key_id[:8]}"
        yield Danger(text, "devices that trust the old key only would refuse it", "signing_key")


def _lost(world: World, name: str, entry: FleetEntry, day: date) -> Iterator[Danger]:
    retired = {line.fleet for line in world.repository.project.document.spec.retired}
    if entry.retired is None and name not in retired:
        yield Danger(
            f"fleet {name} is released but no spec names it: its devices would lose their entry",
            f"bring its spec back, or list {name} under the project's `retired` with an action and a date",
        )
    elif entry.retired is not None and name not in retired and day <= date.fromisoformat(entry.retired.until):
        yield Danger(
            f"fleet {name} is retired until {entry.retired.until}, and the project's `retired` no longer says so",
            "bring its line back: its devices still get their entry until then",
        )
    elif entry.retired is None and entry.prevent_destroy:
        yield Danger(
            f"fleet {name} was released with prevent_destroy: it cannot be retired",
            "bring its spec back without prevent_destroy, release that, then retire it",
        )


def _shrunk(world: World, name: str, entry: FleetEntry, fleet: Fleet) -> Iterator[Danger]:
    """Boards that leave, and another model in the place of the released one."""
    gone = sorted(set(entry.boards) - set(fleet.spec.targets))
    if gone and fleet.spec.prevent_destroy:
        text = f"fleet {name} has prevent_destroy, and {', '.join(gone)} would leave it"
        yield Danger(text, "bring the board back, or take prevent_destroy away")
        return
    share, most = len(gone) / len(entry.boards), world.repository.project.document.spec.limits.destroy_share
    if share > most:
        text = (
            f"fleet {name} would lose {', '.join(gone)}: {share:.0%} of its boards, limits.destroy_share is {most:.0%}"
        )
        yield Danger(text, "their devices would keep what they have and get no update", "destroy_share", name)
    if _is_replaced(world, entry, fleet):
        text = f"fleet {name} would run model {fleet.spec.model_name} in place of {entry.model}, on every board"
        yield Danger(text, "a renamed model is no replacement: keep its settings as they were", "destroy_share", name)


def _is_replaced(world: World, entry: FleetEntry, fleet: Fleet) -> bool:
    """Another model than the released one, which is still there or is gone with nothing in its place."""
    if entry.model == fleet.spec.model_name:
        return False
    if entry.model in world.repository.models:
        return True
    old = [r for i, r in world.released_records.items() if i.startswith(f"squeeze:{entry.model}/")]
    subjects = {fleet.spec.subject_of(target) for target in fleet.spec.targets}
    now = [s for s in world.steps if s.kind == "squeeze" and s.subject.rpartition("/")[0] in subjects]
    return not any(step.settings == was.settings and step.lock == was.lock for step in now for was in old)


def _counted(world: World, name: str, entry: FleetEntry, fleet: Fleet, manifest: Manifest) -> Iterator[Danger]:
    old, new = entry.security_counter, fleet.spec.security_counter
    if new < old:
        text = (
            f"fleet {name}: security_counter {new} is lower than the released {old}: devices would refuse the release"
        )
        yield Danger(text, "a security counter only rises")
    elif new > old:
        lost = ", ".join(f"v{version}" for version in _holding(world, name, manifest))
        text = f"fleet {name}: security_counter {old} → {new}: no device goes back below it, so not to {lost}"
        yield Danger(text, "a counter rises when an old image must never run again", "security_counter", name)


def _holding(world: World, name: str, manifest: Manifest) -> list[int]:
    """The newest releases that hold a fleet, the last one first."""
    found = [manifest.version]
    for version in range(manifest.version - 1, 0, -1):
        earlier = world.past.read(version) if world.past else None
        if earlier is None or name not in earlier.fleets or len(found) == SHOWN_RELEASES:
            break
        found.append(version)
    return found
