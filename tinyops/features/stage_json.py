"""Stages to and from JSON: one form for the settings of steps and for features.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from tinyops.errors import SpecError
from tinyops.features.filters import COEFFICIENT_BITS, is_stable
from tinyops.features.stages import ROWS, Filter, Rows, Stage, count_faults, order_faults
from tinyops.files import JsonObject

STAGES_LIMIT = 8


def stage_json(stage: Stage) -> JsonObject:
    """A stage's kind and fields; those of a filter only where they say something."""
    given = {f.name: _plain(getattr(stage, f.name)) for f in fields(stage)}
    if isinstance(stage, Filter):
        given = {name: value for name, value in given.items() if value not in (None, [])}
    return {"kind": stage.kind, **given}


def parse_stages(value: Any, rate_hz: float, name: str) -> tuple[Stage, ...]:
    """Stages from JSON, filters designed where they are not yet. Raises SpecError naming stage and field."""
    if not isinstance(value, list) or not 1 <= len(value) <= STAGES_LIMIT:
        raise SpecError(f"{name}: stages must be a list of 1 to {STAGES_LIMIT}")
    stages = [_stage(item, f"{name}: stages[{n}]") for n, item in enumerate(value)]
    for number, message in order_faults([s.kind for s in stages]):
        raise SpecError(f"{name}: stages[{number}]: {message}")
    for number, stage in enumerate(stages):
        for fault in stage.faults(rate_hz):
            raise SpecError(f"{name}: stages[{number}].{fault.field}: {fault.message}", hint=fault.hint)
    for number, message in count_faults(stages):
        raise SpecError(f"{name}: stages[{number}] {message}")
    return tuple(_designed(s, rate_hz, f"{name}: stages[{n}]") for n, s in enumerate(stages))


def _designed(stage: Stage, rate_hz: float, name: str) -> Stage:
    if not isinstance(stage, Filter):
        return stage
    if not stage.integers:
        return stage.designed(rate_hz)
    if len(stage.integers) != stage.count:
        raise SpecError(f"{name}.integers: {len(stage.integers)} sections, the filter has {stage.count}")
    one = 1 << COEFFICIENT_BITS
    for section in stage.integers:
        if len(section) != 5 or max(map(abs, section)) >= 2 * one or not is_stable(tuple(c / one for c in section)):
            raise SpecError(f"{name}.integers: must be five 32-bit coefficients of a stable section each")
    return stage


def _stage(value: Any, name: str) -> Stage:
    if not isinstance(value, Mapping):
        raise SpecError(f"{name}: must be an object")
    kinds: dict[str, type[Filter] | type[Rows]] = {Filter.kind: Filter, **ROWS}
    made = kinds.get(str(value.get("kind")))
    if made is None:
        raise SpecError(f"{name}: kind {value.get('kind')!r} is unknown", hint=f"one of {', '.join(kinds)}")
    known = {f.name: f for f in fields(made)}
    unknown = sorted(set(map(str, value)) - {"kind", *known})
    missing = [n for n, f in known.items() if f.default is MISSING and n not in value]
    if unknown or missing:
        raise SpecError(f"{name}: unknown fields {', '.join(unknown)}" if unknown else f"{name}: lacks {missing[0]}")
    given = {f.name: _READERS[f.name](value[n], f"{name}.{n}") for n, f in known.items() if n in value}
    return made(**given)


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _integer(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 1 << 31:
        raise SpecError(f"{name} is {value!r}, it must be an integer")
    return value


def _number(value: Any, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e12:
        raise SpecError(f"{name} is {value!r}, it must be a number")
    return float(value)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise SpecError(f"{name} is {value!r}, it must be text")
    return value


def _many(read: Callable[[Any, str], Any]) -> Callable[[Any, str], tuple[Any, ...]]:
    def read_all(value: Any, name: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) > 64:
            raise SpecError(f"{name}: must be a list of at most 64")
        return tuple(read(item, f"{name}[{n}]") for n, item in enumerate(value))

    return read_all


_READERS: Mapping[str, Callable[[Any, str], Any]] = {
    **dict.fromkeys(("length", "step", "fft", "mels", "coefficients", "order"), _integer),
    **dict.fromkeys(("low_hz", "high_hz"), _number),
    **dict.fromkeys(("window", "scale", "shape", "passes"), _text),
    "statistics": _many(_text),
    "corner_hz": _many(_number),
    "sections": _many(_many(_number)),
    "integers": _many(_many(_integer)),
}
