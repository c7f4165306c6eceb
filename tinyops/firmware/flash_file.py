"""What a cable writes into a board's flash, as one file of the kind that the board's tool takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyops.boards.layout import Layout, Region
from tinyops.boards.model import BoardSpec
from tinyops.errors import ToolError
from tinyops.firmware.hexadecimal import END_LINE, intel_hex
from tinyops.firmware.uf2 import FAMILIES, pack_uf2_parts

BLANK = b"\xff"


@dataclass(frozen=True)
class Part:
    """What lies in one region of flash."""

    name: str
    region: Region
    data: bytes


def blank(name: str, region: Region) -> Part:
    """A region that is written as if it was erased."""
    return Part(name, region, BLANK * region.bytes)


def flash_file(kind: str, spec: BoardSpec, parts: Sequence[Part]) -> bytes:
    """The parts as one file that holds nothing else. Raises ToolError where they do not go together."""
    assert spec.layout is not None
    for part in parts:
        if len(part.data) > part.region.bytes:
            raise ToolError(
                f"{spec.title}: a {part.name} of {len(part.data):,} bytes in a slot of {part.region.bytes:,}"
            )
    ordered = {part.region.origin: part.data for part in sorted(parts, key=lambda part: part.region.origin)}
    if kind == "hex":
        return ("".join(intel_hex(d, at).replace(END_LINE, "") for at, d in ordered.items()) + END_LINE).encode()
    if kind == "bin":
        return _one_run(spec.layout, ordered)
    if spec.mcu not in FAMILIES:
        raise ToolError(
            f"{spec.title}: no boot ROM of a {spec.mcu} takes UF2", hint="mend flash_tool in its board file"
        )
    return pack_uf2_parts({at: _whole_sectors(spec, at, data) for at, data in ordered.items()}, FAMILIES[spec.mcu])


def _one_run(layout: Layout, parts: Mapping[int, bytes]) -> bytes:
    """From where a cable writes on, gaps blank. It ends before the settings: tools that take such files erase what is
    behind it, or leave both as they are."""
    kept = layout.settings
    start = layout.cable_origin
    run = bytearray()
    for at, data in parts.items():
        if kept is None or at < kept.origin or start >= kept.end:
            run += BLANK * (at - start - len(run)) + data
    return bytes(run)


def _whole_sectors(spec: BoardSpec, at: int, data: bytes) -> bytes:
    """A boot ROM erases the sector of a page that it writes: what is left of it is said, too."""
    assert spec.memory is not None
    flash = next(flash for flash in spec.memory.flash if flash.origin <= at < flash.end)
    return data + BLANK * (-len(data) % flash.erase_bytes)
