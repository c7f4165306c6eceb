"""A part of a chain with an Arduino core: its lines to its neighbours, and Bluetooth in place of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tinyops.boards.model import Arduino, WiredLine
from tinyops.errors import SpecError
from tinyops.firmware.chained import BAUD, FLAG, ChainPlace
from tinyops.firmware.forms.form import Request
from tinyops.firmware.project import RUNTIME, chain_files
from tinyops.firmware.slots import are_linked

WAYS = "port/arduino/ways"  # below the runtime
NAME_MAX = 29  # bytes that an advertisement has room for


@dataclass(frozen=True)
class PartOfChain:
    """What a firmware has because it is a part; of a board by itself, nothing."""

    flags: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    names: Mapping[str, Any] = field(default_factory=dict)  # for the main program's template
    files: Mapping[str, bytes] = field(default_factory=dict)


def part_of(request: Request) -> PartOfChain:
    """Raises SpecError for a place that the board's core has no line for."""
    place, arduino = request.chain, request.spec.arduino
    if place is None:
        return PartOfChain(names={"radio": False})
    assert arduino is not None
    if not request.layout.model and are_linked(request.layout):
        raise SpecError(f"{request.board}: its model is linked into its Arduino firmware: it is no part of a chain")
    if not are_linked(request.layout):
        raise SpecError(f"{request.board}: its Arduino firmware keeps no models in slots: it is no part of a chain")
    flags = (f"-D{FLAG}", *_line_flags(request.board, place, arduino))
    if place.downstream_kind != "ble":
        return PartOfChain(flags, names={"radio": False}, files=chain_files())
    if "ble" not in arduino.acts:
        raise SpecError(f"{request.board}: its Arduino firmware has no Bluetooth to send over")
    radio = {"radio": True, "radio_name": request.fleet.encode()[:NAME_MAX].decode(), "radio_name_max": NAME_MAX}
    return PartOfChain(flags, arduino.acts["ble"].libraries, radio, chain_files() | _radio_sources())


def _radio_sources() -> dict[str, bytes]:
    names = [f"{WAYS}/{name}" for name in ("way.h", "ble.cpp", "part_line.h", "part_line.cpp")]
    names.append("port/arduino/sensors/library.h")
    return {f"src/arduino/{name.rsplit('/', 1)[1]}": (RUNTIME / name).read_bytes() for name in names}


def _line_flags(board: str, place: ChainPlace, arduino: Arduino) -> list[str]:
    """Which of the core's lines lead where, and at what rate. The first on pins leads to the part before, if there is
    one."""
    free = list(arduino.wired)
    flags = []
    if not place.first:
        line = _take(board, free, "the part before")
        flags += [f"-DTINYOPS_UPSTREAM={line.line}", *line.flags]
        flags += [f"-DTINYOPS_UPSTREAM_BAUD={place.upstream_baud}"] if place.upstream_baud != BAUD else []
    if place.downstream_wired:
        line = _take(board, free, "the next part")
        flags += [f"-DTINYOPS_SERIAL={line.line}", *line.flags]
    flags += [f"-DTINYOPS_BAUD={place.downstream_baud}"] if place.downstream_baud != BAUD else []
    return flags


def _take(board: str, free: list[WiredLine], whom: str) -> WiredLine:
    if not free:
        raise SpecError(f"{board}: its Arduino core has no serial line on pins for {whom}")
    return free.pop(0)
