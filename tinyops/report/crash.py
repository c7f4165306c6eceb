"""A crash for people and for programs."""

from __future__ import annotations

from tinyops.files import JsonObject
from tinyops.firmware.crash import Explained, Located


def crash_json(found: Explained) -> JsonObject:
    return {
        "record": {name: value for name, value in found.record.model_dump().items() if value != ""},
        "places": [_place_json(located) for located in found.located],
        "reasons": list(found.reasons),
        "notes": list(found.notes),
    }


def _place_json(located: Located) -> JsonObject:
    value: JsonObject = {"register": located.register, "address": located.address, "program": located.program}
    if located.program is not None:
        value["offset"] = located.offset
    if located.place is not None:
        place = located.place
        value |= {"function": place.function, "file": place.file or None, "line": place.line or None}
    return value


def crash_lines(found: Explained) -> list[str]:
    record = found.record
    who = " of fleet ".join(name for name in (record.board, record.fleet) if name) or "the device"
    when = f" {record.uptime_ms / 1000:.3f} s after its start" if record.uptime_ms else ""
    lines = [f"{who} crashed{when}"]
    lines += [f"  {reason}" for reason in found.reasons]
    lines += [f"  {_where(located)}" for located in found.located]
    if not record.overflowed and any(value for _, value in found.registers):
        lines.append("  " + "  ".join(f"{name} {value:#010x}" for name, value in found.registers))
    return [*lines, *(f"note: {note}" for note in found.notes)]


def _where(located: Located) -> str:
    head = f"{located.register}  {located.address:#010x}"
    if located.program is None:
        return head
    head += f"  {located.program}+{located.offset:#x}"
    if located.place is None:
        return head
    place = located.place
    return f"{head}  {place.function}" + (f"  {place.file}:{place.line}" if place.file else "")
