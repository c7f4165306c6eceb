"""Verbs that edit specs: promote, rollback, suspend, resume. Nothing but the edit happens; apply does the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tinyops.documents import closest
from tinyops.documents.editing import Value, remove_value, set_value
from tinyops.errors import UnsafePlan, UsageError
from tinyops.files import MIB, read_bounded
from tinyops.manifest.document import Manifest
from tinyops.manifest.fields import read_time
from tinyops.reconcile.observed import observed_devices
from tinyops.reconcile.pins import MODEL_FILE
from tinyops.reconcile.states import converged_share
from tinyops.reconcile.world import World
from tinyops.specs.loader import Loaded
from tinyops.specs.model import Fleet

SPEC_LIMIT_BYTES = 16 * MIB


@dataclass(frozen=True)
class Edit:
    """A spec file before and after, and what was done in one sentence, as a commit's message says it."""

    path: Path
    before: str
    after: str
    summary: str


def promote(world: World, source: str, target: str, now: datetime) -> Edit:
    """Pins `target` to the int8 model that the last release gives `source`.

    Raises UsageError for what is not there, UnsafePlan while the target's `promote_when` does not hold.
    """
    _fleet(world, source)
    entry = _fleet(world, target)
    manifest = _manifest(world)
    models = _models_for(entry.document, released_models(manifest, source), f"{manifest.tag} gives fleet {source}")
    when = entry.document.spec.promote_when
    if when is not None and when.fleet != source:
        hint = f"tinyops promote {when.fleet} {target}"
        raise UnsafePlan(f"fleet {target} is promoted from {when.fleet} only: its promote_when says so", hint=hint)
    if when is not None:
        _check_share(world, source, when.converged_share, now)
        _check_soak(world, source, when.soak_h, now)
    return _pinned(entry, models, f"Promote {source} ({manifest.tag}) to {target}")


def rollback(world: World, name: str, version: int | None = None) -> Edit:
    """Pins a fleet to the model of an earlier release: of `version`, or of the last one that gave it another model.

    Raises UsageError where no release qualifies.
    """
    entry = _fleet(world, name)
    manifest = _manifest(world)
    now = released_models(manifest, name)
    assert world.past is not None
    for number in [version] if version is not None else range(manifest.version - 1, 0, -1):
        earlier = world.past.read(number)
        if earlier is None or name not in earlier.fleets:
            continue
        then = released_models(earlier, name)
        if then != now or version is not None:
            models = _models_for(entry.document, then, f"{earlier.tag} gave fleet {name}")
            return _pinned(entry, models, f"Roll {name} back to its model of {earlier.tag}")
    which = (
        f"v{version} does not hold fleet {name}" if version else f"no earlier release gives fleet {name} another model"
    )
    raise UsageError(which, hint="`tinyops history` lists releases")


def suspend(world: World, name: str, reason: str, author: str) -> Edit:
    """Makes a fleet stay as it is released."""
    value: Value = {"reason": reason, "author": author}
    return _edit(_fleet(world, name), ("spec", "suspended"), value, f"Suspend {name}: {reason}")


def resume(world: World, name: str, *, unpin: bool = False) -> Edit:
    """Takes the suspension of a fleet away, and with `unpin` its pin: it follows its spec again."""
    entry = _fleet(world, name)
    edit = _edit(entry, ("spec", "suspended"), None, f"Resume {name}")
    if unpin:
        model = entry.document.spec.model_name
        after = set_value(edit.after, entry.yaml.index, ("spec", "model"), model)
        edit = Edit(edit.path, edit.before, after, f"{edit.summary}, without its pin")
    if edit.before == edit.after:
        raise UsageError(f"fleet {name} is not suspended", hint="`tinyops resume FLEET --unpin` takes a pin away")
    return edit


def released_models(manifest: Manifest, fleet: str) -> dict[str, str]:
    """The digest of the int8 model that a release gives each target of a fleet. Raises UsageError where none."""
    entry, split = manifest.fleets.get(fleet), manifest.steps.get(f"split:{fleet}")
    if entry is not None and split is not None:  # whole: its parts have golden vectors of their own
        return dict.fromkeys(entry.boards, split.inputs[MODEL_FILE])
    made = {
        record.outputs["golden.bin"].digest: record.outputs[MODEL_FILE].digest
        for step, record in manifest.steps.items()
        if step.startswith("squeeze:") and "golden.bin" in record.outputs
    }
    boards = entry.boards if entry else {}
    found = {name: made[board.golden.digest] for name, board in boards.items() if board.golden.digest in made}
    if not found:
        raise UsageError(f"{manifest.tag} gives fleet {fleet} no model", hint="`tinyops show` lists what it gives")
    return found


def _models_for(fleet: Fleet, models: Mapping[str, str], given: str) -> Mapping[str, str]:
    """What each target of a fleet is pinned to: where boards have different models, the one of its own board."""
    if len({*models.values()}) == 1:
        return dict.fromkeys(fleet.spec.targets, next(iter(models.values())))
    if missing := [name for name in fleet.spec.targets if name not in models]:
        hint = "each board has a variant of its own there: add the board to that fleet, or take it out of this one"
        raise UsageError(f"{given} no model for {', '.join(missing)}, which {fleet.name} has", hint=hint)
    return {name: models[name] for name in fleet.spec.targets}


def _pinned(entry: Loaded[Fleet], models: Mapping[str, str], summary: str) -> Edit:
    """One digest where all boards have one model, as before; else one a board."""
    digests = {*models.values()}
    digest: Value = dict(models) if len(digests) > 1 else digests.pop()
    value: Value = {"name": entry.document.spec.model_name, "digest": digest}
    return _edit(entry, ("spec", "model"), value, summary)


def _edit(entry: Loaded[Fleet], path: Sequence[str], value: Value | None, summary: str) -> Edit:
    before = read_bounded(entry.path, SPEC_LIMIT_BYTES).decode()
    document = entry.yaml.index
    after = remove_value(before, document, path) if value is None else set_value(before, document, path, value)
    return Edit(entry.path, before, after, summary)


def _check_share(world: World, fleet: str, wanted: float, now: datetime) -> None:
    if world.offered is not world.manifest:
        text = f"{_manifest(world).tag} waits for signatures: no device is offered it, so none can show how it does"
        raise UnsafePlan(text, hint="`tinyops trust status` says who has to sign")
    devices, _ = observed_devices(world, now)
    share = converged_share([device for device in devices if device.fleet == fleet])
    if share < wanted:
        text = f"{share:.1%} of fleet {fleet} runs what is released, promote_when wants {wanted:.1%}"
        raise UnsafePlan(text, hint="`tinyops drift` lists the devices that do not")


def _check_soak(world: World, fleet: str, hours: float, now: datetime) -> None:
    since = read_time(_first_release(world, fleet).created)
    soaked = (now - since).total_seconds() / 3600
    if soaked < hours:
        text = f"fleet {fleet} has had this model for {max(soaked, 0):.1f} hours, promote_when wants {hours:g}"
        raise UnsafePlan(text, hint=f"promote it {hours - soaked:.1f} hours from now")


def _first_release(world: World, fleet: str) -> Manifest:
    """The oldest release of the unbroken run of releases that gave the fleet the models that it has."""
    first = _manifest(world)
    models = released_models(first, fleet)
    assert world.past is not None
    for number in range(first.version - 1, 0, -1):
        earlier = world.past.read(number)
        if earlier is None or fleet not in earlier.fleets or released_models(earlier, fleet) != models:
            break
        first = earlier
    return first


def _fleet(world: World, name: str) -> Loaded[Fleet]:
    if name not in world.repository.fleets:
        raise UsageError(f"there is no fleet {name!r}", hint=closest(name, world.repository.fleets))
    return world.repository.fleets[name]


def _manifest(world: World) -> Manifest:
    if world.manifest is None:
        raise UsageError("nothing is released yet", hint="`tinyops apply` makes the first release")
    return world.manifest
