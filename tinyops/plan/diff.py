"""Desired steps against released records: which steps would run, and which field is why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from types import MappingProxyType
from typing import Any

from tinyops.artifacts import ALL_OUTPUTS, Record, Step, closure
from tinyops.plan.changes import Action, Bound, Change, Plan, Reason

TEXT_LIMIT = 60
KNOWN_AFTER_APPLY = "(known after apply)"


def make_plan(
    *,
    project: str,
    steps: Sequence[Step],
    fleets: Mapping[str, Any],
    released: Mapping[str, Record],
    released_fleets: Mapping[str, Any],
    released_version: int,
    bound: Bound,
    replace: Set[str] = frozenset(),
    held: Mapping[str, Sequence[str]] = MappingProxyType({}),
    left_out: Mapping[str, str] = MappingProxyType({}),
) -> Plan:
    """The plan that turns what was released into what is desired.

    `steps` come in an order in which each follows its inputs. `fleets` and `released_fleets` map a
    fleet to the JSON of what its devices are told beside their images. `replace` names steps to run
    again although nothing changed. `held` says of fleets whether their released model misses a gate, and why:
    that holds those that would not change otherwise. `left_out` says of fleets that the last release did not
    move why it did not, so that their changes are not read as new ones.
    """
    changes = [*_diff_steps(steps, released, replace)]
    pending = {c.id: c for c in changes if c.action is not Action.KEEP}
    deleted = [Change(*_split(i), Action.DELETE) for i in sorted(set(released) - {s.id for s in steps})]
    changes += deleted
    changes += _diff_fleets(fleets, released_fleets, steps, pending, held, left_out)
    return Plan(project, released_version, bound, tuple(changes))


def _split(step_id: str) -> tuple[str, str]:
    kind, _, subject = step_id.partition(":")
    return kind, subject


def _diff_steps(steps: Sequence[Step], released: Mapping[str, Record], replace: Set[str]) -> Iterator[Change]:
    known: dict[str, Record] = {}
    for step in steps:
        change = _diff_step(step, released.get(step.id), known, replace)
        if change.action is Action.KEEP:
            known[step.id] = released[step.id]
        yield change


def _diff_step(step: Step, record: Record | None, known: Mapping[str, Record], replace: Set[str]) -> Change:
    follows = tuple(sorted({ref.step for ref in step.inputs.values() if ref.step not in known}))
    digests = {
        name: known[ref.step].output_digest(ref.output)
        for name, ref in step.inputs.items()
        if ref.step in known and ref.output in {ALL_OUTPUTS, *known[ref.step].outputs}
    }
    key = step.key(digests) if len(digests) == len(step.inputs) else None
    if record is None:
        return Change(step.kind, step.subject, Action.CREATE, (), key, follows)
    if step.id in replace:
        reason = (Reason("asked for with --replace"),)
        return Change(step.kind, step.subject, Action.REPLACE, reason, key, follows, record.facts)
    if key == record.key:
        return Change(step.kind, step.subject, Action.KEEP, (), key, (), record.facts)
    reasons = (*_step_reasons(step, record, digests),)
    return Change(step.kind, step.subject, Action.UPDATE, reasons, key, follows, record.facts)


def _step_reasons(step: Step, record: Record, digests: Mapping[str, str]) -> Iterator[Reason]:
    yield from field_reasons(record.settings, step.settings)
    yield from field_reasons(record.lock, step.lock, "lock")
    sources = {name: source.digest for name, source in step.sources.items()}
    yield from field_reasons(record.sources, sources, "file")
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
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    if text.startswith("sha256:"):
        return text[: len("sha256:") + 12]
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def _diff_fleets(
    fleets: Mapping[str, Any],
    released: Mapping[str, Any],
    steps: Sequence[Step],
    pending: Mapping[str, Change],
    held: Mapping[str, Sequence[str]],
    left_out: Mapping[str, str],
) -> Iterator[Change]:
    for name in sorted({*fleets, *released}):
        follows = tuple(sorted(_of_fleet(name, steps) & set(pending)))
        if name not in fleets:
            yield Change("fleet", name, Action.DELETE)
        elif name not in released:
            yield Change("fleet", name, Action.CREATE, (), None, follows)
        else:
            reasons = (*field_reasons(released[name], fleets[name]),)
            action = Action.UPDATE if reasons or follows else Action.KEEP
            if action is Action.KEEP and name in held:
                action, reasons = Action.HELD, (*map(Reason, held[name]),)
            elif action is Action.UPDATE and name in left_out:
                reasons = (*reasons, Reason(left_out[name]))
            yield Change("fleet", name, action, reasons, None, follows)


def _of_fleet(fleet: str, steps: Iterable[Step]) -> set[str]:
    """The steps that a fleet's own steps (`kind:fleet/board`) need, themselves included."""
    own = (s.id for s in steps if s.kind in ("firmware", "twin") and s.subject.startswith(f"{fleet}/"))
    return closure(own, steps)
