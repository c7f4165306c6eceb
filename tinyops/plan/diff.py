"""Desired steps against released records: which steps would run, and which field is why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from tinyops.artifacts import Record, Step, closure, settled
from tinyops.plan.changes import Action, Bound, Change, Plan, Reason

TEXT_LIMIT = 60
REPLACED = Reason("asked for with --replace")
NOBODY: Mapping[str, str] = MappingProxyType({})
NOT_ASKED = Reason("not asked for: --only names other fleets")


@dataclass(frozen=True)
class Wish:
    """What was asked for beside the specs.

    `replace` names steps to run again although nothing changed; `only` the fleets that may move, empty for all.
    """

    replace: Set[str] = frozenset()
    only: Set[str] = frozenset()

    def leaves_out(self, fleet: str) -> bool:
        return bool(self.only) and fleet not in self.only


NO_WISH = Wish()
CABLE_KIND = "usb-gateway"
BY_CABLE = Reason("its devices take it over a cable alone: `tinyops flash`")


def _nothing_earlier(_kind: str, _key: str) -> None:
    """Before the second release."""


@dataclass(frozen=True)
class Released:
    """The last release as a plan sees it: `version` 0 and the rest empty before the first.

    `fleets` maps a fleet to the JSON of what its devices are told beside their images. `held` says of
    fleets whether their released model misses a gate, and why: that holds those that would not change
    otherwise. `left_out` says of fleets that the last release did not move why it did not, so that their
    changes are not read as new ones. `earlier` finds the record of a kind and key in a release before the
    last one, with that release's version.
    """

    version: int = 0
    steps: Mapping[str, Record] = field(default_factory=dict)
    fleets: Mapping[str, Any] = field(default_factory=dict)
    held: Mapping[str, Sequence[str]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    earlier: Callable[[str, str], tuple[Record, int] | None] = _nothing_earlier


def make_plan(
    *,
    project: str,
    steps: Sequence[Step],
    fleets: Mapping[str, Any],
    released: Released,
    bound: Bound,
    wish: Wish = NO_WISH,
    standing: Mapping[str, str] = NOBODY,
    because: str = "",
) -> Plan:
    """The plan that turns what was released into what is desired.

    `steps` come in an order in which each follows its inputs; `fleets` is as `Released.fleets`. `standing` says of
    fleets that stay as released, whatever the specs say, why. `because` says why there is a release though nothing
    else changes.
    """
    still = {name: Reason(why) for name, why in standing.items() if name in fleets}
    still |= {name: NOT_ASKED for name in {*fleets, *released.fleets} if wish.leaves_out(name)}
    changes = [*_diff_steps(steps, released, wish, still)]
    moved = {f"{c.kind}:{c.moved_from}" for c in changes if c.moved_from}
    gone = sorted(set(released.steps) - {c.id for c in changes} - moved)
    changed = {c.id: c.action for c in changes if c.action not in (Action.KEEP, Action.MOVE)}
    changes += [Change(*_split(i), Action.DELETE) for i in gone]
    changes += _diff_fleets(fleets, released, steps, changed, still)
    if because or any(c.action not in (Action.KEEP, Action.HELD) for c in changes):
        version = Reason("version", f"v{released.version}" if released.version else "", f"v{released.version + 1}")
        reasons = (version, Reason(because)) if because else (version,)
        changes.append(Change("release", project, Action.CREATE, reasons))
    return Plan(project, released.version, bound, tuple(changes), (*sorted(wish.only),))


def _split(step_id: str) -> tuple[str, str]:
    kind, _, subject = step_id.partition(":")
    return kind, subject


def _diff_steps(steps: Sequence[Step], released: Released, wish: Wish, still: Mapping[str, Reason]) -> Iterator[Change]:
    known: dict[str, Record] = {}
    wanted = {step.id for step in steps}
    orphans = {(i.partition(":")[0], record.key): record for i, record in released.steps.items() if i not in wanted}
    left = _left_out(steps, wish, still)
    open_ = Counter(s.condition.step for s in steps if s.condition is not None and s.id not in released.steps)
    dropped: set[str] = set()
    for step in steps:
        if _is_dropped(step, known, released):
            dropped.add(step.id)
            continue
        change, record = _diff_step(step.without(dropped), released, known, orphans, wish.replace)
        if open_[step.id] and change.action is not Action.KEEP:
            what = "step waits" if open_[step.id] == 1 else "steps wait"
            waiting = Reason(f"{open_[step.id]:,} more {what} for what it says")
            change = replace(change, reasons=(*change.reasons, waiting))
        if step.id in left and change.action is not Action.KEEP:
            change, record = replace(change, action=Action.HELD, follows=(), reasons=(left[step.id],)), None
        if record is not None:
            known[step.id] = record
        yield change


def _is_dropped(step: Step, known: Mapping[str, Record], released: Released) -> bool:
    """Whether a step is not in the plan: its condition does not hold, or will be known after apply and never held."""
    if step.condition is None:
        return False
    holds = step.condition.holds(known)
    return holds is False or (holds is None and step.id not in released.steps)


def _left_out(steps: Sequence[Step], wish: Wish, still: Mapping[str, Reason]) -> dict[str, Reason]:
    """Why a step is not run: only fleets need it that stay as they are, or none that was asked for."""
    if not still:
        return {}
    by_id, own = {step.id: step for step in steps}, own_steps(steps)
    moving = closure((i for fleet, ids in own.items() if fleet not in still for i in ids), by_id)
    left = dict.fromkeys(set(by_id) - moving, NOT_ASKED) if wish.only else {}
    for fleet, reason in still.items():
        left |= dict.fromkeys(closure(own.get(fleet, ()), by_id) - moving, reason)
    return left


def _diff_step(
    step: Step,
    released: Released,
    known: Mapping[str, Record],
    orphans: Mapping[tuple[str, str], Record],
    wanted_again: Set[str],
) -> tuple[Change, Record | None]:
    """What happens to a step, and the record that it will have where that is known already."""
    before = released.steps.get(step.id)
    follows = tuple(sorted({ref.step for ref in step.inputs.values() if ref.step not in known}))
    digests = {
        name: known[ref.step].output_digest(ref.output)
        for name, ref in step.inputs.items()
        if ref.step in known and known[ref.step].has(ref.output)
    }
    known_all = len(digests) == len(step.inputs)
    if step.id not in wanted_again:
        step = settled(step, before, digests if known_all else None)
    key = step.key(digests) if known_all else None
    change = partial(Change, step.kind, step.subject, key=key, released=before.facts if before else None)
    if step.id in wanted_again:
        action = Action.REPLACE if before else Action.CREATE
        return change(action=action, reasons=(REPLACED,), follows=follows), None
    if before is not None and key == before.key:
        return change(action=Action.KEEP), before
    if before is None and key is not None and (orphan := orphans.get((step.kind, key))) is not None:
        return change(action=Action.MOVE, moved_from=_split(orphan.step)[1], released=orphan.facts), orphan
    reasons = (*_step_reasons(step, before, digests),) if before else ()
    record = None
    if key is not None and (found := released.earlier(step.kind, key)) is not None:
        record, reasons = found[0], (*reasons, Reason(f"as in v{found[1]}"))
    if before and _comes_by_cable(step):
        reasons = (*reasons, BY_CABLE)
    action = Action.UPDATE if before else Action.CREATE
    if before and _is_cut_anew(step, before):
        action = Action.REPLACE
    return change(action=action, reasons=reasons, follows=follows), record


def _is_cut_anew(step: Step, before: Record) -> bool:
    """Whether the spec cuts a chain elsewhere than it was released: all of its parts are replaced."""
    wanted = step.settings.get("cuts")
    return step.kind == "split" and isinstance(wanted, list) and wanted != before.facts.get("cuts")


def _comes_by_cable(step: Step) -> bool:
    """Whether nothing but a person with a cable brings a firmware to its devices."""
    facts = step.settings.get("facts")
    return step.kind == "firmware" and isinstance(facts, dict) and facts.get("update", {}).get("kind") == CABLE_KIND


def record_reasons(old: Record, new: Record) -> Iterator[Reason]:
    """Every field in which two records of a step differ: settings, lock, files, inputs."""
    yield from _own_reasons(old, new.settings, new.lock, new.sources)
    yield from field_reasons(old.inputs, new.inputs, "input")


def _own_reasons(
    record: Record, settings: Mapping[str, Any], lock: Mapping[str, Any], sources: Mapping[str, str]
) -> Iterator[Reason]:
    yield from field_reasons(record.settings, settings)
    yield from field_reasons(record.lock, lock, "lock")
    yield from field_reasons(record.sources, sources, "file")


def _step_reasons(step: Step, record: Record, digests: Mapping[str, str]) -> Iterator[Reason]:
    sources = {name: source.digest for name, source in step.sources.items()}
    yield from _own_reasons(record, step.settings, step.lock, sources)
    for name, ref in step.inputs.items():
        if name in digests and record.inputs.get(name) != digests[name]:
            old = record.inputs.get(name, "")
            yield Reason(f"input {name} of {ref.step}", _short(old), _short(digests[name]))


def field_reasons(old: object, new: object, path: str = "") -> Iterator[Reason]:
    """Every leaf in which two JSON values differ, by dotted path."""
    if isinstance(old, Mapping) and isinstance(new, Mapping) and old.get("kind") == new.get("kind"):
        for name in sorted({*old, *new}):
            yield from field_reasons(old.get(name), new.get(name), f"{path}.{name}" if path else name)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from field_reasons(before, after, f"{path}[{index}]")
    elif old != new:
        yield Reason(path, _short(old), _short(new))


def _short(value: object) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, Mapping):  # something else altogether: its kind says what
        return str(value.get("kind", "{…}"))
    if isinstance(value, (list, tuple)):
        value = ", ".join(map(_short, value)) or "nothing"
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    if text.startswith("sha256:"):
        return text[: len("sha256:") + 12]
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def _diff_fleets(
    fleets: Mapping[str, Any],
    released: Released,
    steps: Sequence[Step],
    changed: Mapping[str, Action],
    still: Mapping[str, Reason],
) -> Iterator[Change]:
    by_id, own = {step.id: step for step in steps}, own_steps(steps)
    needs = {name: closure(own.get(name, ()), by_id) for name in fleets} if changed else {}
    for name in sorted({*fleets, *released.fleets}):
        follows = tuple(sorted(needs.get(name, set()) & set(changed)))
        change = _diff_fleet(name, fleets, released, follows)
        if name in still and change.action is not Action.KEEP:
            change = Change("fleet", name, Action.HELD, (still[name],))
        yield change


def _diff_fleet(name: str, fleets: Mapping[str, Any], released: Released, follows: tuple[str, ...]) -> Change:
    if name not in fleets:
        return Change("fleet", name, Action.DELETE)
    if name not in released.fleets:
        return Change("fleet", name, Action.CREATE, follows=follows)
    reasons = (*field_reasons(released.fleets[name], fleets[name]),)
    if not reasons and not follows:
        if name in released.held:
            return Change("fleet", name, Action.HELD, (*map(Reason, released.held[name]),))
        return Change("fleet", name, Action.KEEP)
    if name in released.left_out:
        reasons = (*reasons, Reason(released.left_out[name]))
    return Change("fleet", name, Action.UPDATE, reasons, follows=follows)


def own_steps(steps: Iterable[Step]) -> dict[str, list[str]]:
    """The ids of each fleet's own steps (`kind:fleet/board`, `chain:fleet`)."""
    own: dict[str, list[str]] = {}
    for step in steps:
        if step.kind in ("firmware", "twin", "chain"):
            own.setdefault(step.subject.partition("/")[0], []).append(step.id)
    return own
