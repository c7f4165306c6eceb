"""What a firmware must know of its contract, checked as far as it depends on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyops.errors import SpecError
from tinyops.files import MIB, JsonObject, digest_json, read_bounded
from tinyops.manifest.contract import COLLECT

FRAME_VALUES_MAX = 1 << 20
RATE_HZ_MAX = 4_000_000


@dataclass(frozen=True)
class Contract:
    """What a firmware must know of its contract. `digest` is that of the contract's canonical JSON."""

    digest: str
    arena_bytes: int
    frame_values: int
    rate_millihz: int
    summary: tuple[str, ...]
    channels: tuple[str, ...] = ()
    full_scale: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()


def read_contract(value: object) -> Contract:
    """Checks a contract's JSON as far as a firmware depends on it. Raises SpecError naming the field."""
    if not isinstance(value, dict) or not isinstance(value.get("input"), dict):
        raise SpecError("contract.json: not a contract: an object with an input is missing")
    if value.get("abi") != 1:
        raise SpecError(f"contract.json: abi is {value.get('abi')!r}, this firmware speaks 1")
    given = value["input"]
    return Contract(
        digest=digest_json(value),
        arena_bytes=_integer(value, "arena_bytes", 1, 1 << 30),
        frame_values=_integer({"input.frame_values": given.get("frame_values") or 0}, "input.frame_values", 0),
        rate_millihz=_rate_millihz(given.get("rate_hz")),
        summary=tuple(_summary(value)),
        channels=tuple(map(str, given.get("channels") or ())),
        full_scale=tuple(map(float, given.get("full_scale") or ())),
        classes=tuple(map(str, (value.get("output") or {}).get("classes") or ())),
    )


def read_signal(value: JsonObject) -> Contract:
    """The same of a collector's contract, which names no model and no arena. Raises SpecError."""
    given = value.get("input")
    if value.get("collect") != COLLECT or not isinstance(given, dict):
        raise SpecError(f"not a collector's contract of version {COLLECT}")
    return Contract(
        digest=digest_json(value),
        arena_bytes=0,
        frame_values=_integer(given, "frame_values", 1),
        rate_millihz=_rate_millihz(given.get("rate_hz")),
        summary=tuple(_summary(value)),
        channels=tuple(map(str, given.get("channels") or ())),
        full_scale=tuple(map(float, given.get("full_scale") or ())),
    )


def _integer(value: Mapping[str, Any], name: str, least: int, most: int = FRAME_VALUES_MAX) -> int:
    found = value.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
        raise SpecError(f"contract.json: {name} is {found!r}, expected a number from {least} to {most}")
    return found


def _rate_millihz(rate_hz: object) -> int:
    """0 where the contract names no rate. Raises SpecError for what is none."""
    if rate_hz is None:
        return 0
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, int | float) or not 0 < rate_hz <= RATE_HZ_MAX:
        raise SpecError(f"contract.json: input.rate_hz is {rate_hz!r}, expected a number up to {RATE_HZ_MAX:,}")
    return round(rate_hz * 1000)


def _summary(value: JsonObject) -> list[str]:
    """The contract as lines for people: one a field, in the order of its names."""
    lines = []
    for part in ("input", "output"):
        fields = value.get(part)
        for name, item in sorted(fields.items()) if isinstance(fields, dict) else ():
            lines.append(f"{part}.{name}: {json.dumps(item, ensure_ascii=True)}")
    return lines


def read_contract_file(path: Path) -> JsonObject:
    """A contract.json. Raises SpecError for what is not one."""
    try:
        value = json.loads(read_bounded(path, MIB))
    except ValueError as error:
        raise SpecError(f"{path.name}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise SpecError(f"{path.name}: not a contract")
    return value
