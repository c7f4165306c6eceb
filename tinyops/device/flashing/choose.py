"""Which of the connected devices is meant. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyops.boards.model import Board
from tinyops.device.identify.match import Mode, candidates, mode_of
from tinyops.device.identify.usb import UsbDevice
from tinyops.errors import ToolError, UsageError


@dataclass(frozen=True)
class Target:
    """A board to be flashed, and what of it can be seen. `others`: more of its kind are connected."""

    board: Board
    port: str | None = None
    usb: UsbDevice | None = None
    mode: Mode = "application"
    others: bool = False


def is_port(wanted: str) -> bool:
    return "/" in wanted or wanted.upper().startswith("COM")


def choose(
    wanted: str,
    usb: Sequence[UsbDevice],
    catalog: Mapping[str, Board],
    *,
    serial: str | None = None,
    port: str | None = None,
    board: str | None = None,
) -> Target:
    """The device that a board's name or a port means. `port` is where a named board's serial line ends, `board`
    what hangs at a named port. Raises UsageError or ToolError, which say what there is to choose from.
    """
    if is_port(wanted):
        return _at_port(wanted, usb, catalog, board)
    if wanted not in catalog:
        raise UsageError(f"board {wanted!r} is not in the catalogue", hint=f"boards: {', '.join(catalog)}")
    if port is not None:
        return _at_port(port, usb, catalog, wanted)
    modes = {device: mode_of(device, catalog[wanted]) for device in usb}
    alike = [device for device in usb if modes[device] is not None]
    chosen = [device for device in alike if serial in (None, device.serial)]
    if not chosen:
        raise ToolError(_absent(wanted, alike, serial), hint=_absent_hint(catalog[wanted]))
    if len(chosen) > 1:
        raise UsageError(
            f"{wanted}: {len(chosen)} devices could be it: {', '.join(map(_called, chosen))}",
            hint="name one with --serial NUMBER, or by its port",
        )
    device = chosen[0]
    line = device.ports[0] if device.ports else None
    return Target(catalog[wanted], line, device, modes[device] or "application", others=len(alike) > 1)


def _at_port(port: str, usb: Sequence[UsbDevice], catalog: Mapping[str, Board], board: str | None) -> Target:
    device = next((device for device in usb if port in device.ports), None)
    found = candidates(device, catalog) if device is not None else ()
    names = sorted({candidate.board for candidate in found})
    if board is not None and board not in catalog:
        raise UsageError(f"board {board!r} is not in the catalogue", hint=f"boards: {', '.join(catalog)}")
    if board is None and len(names) != 1:
        which = f"one of {', '.join(names)}" if names else "no board that the catalogue knows by its USB id"
        raise UsageError(f"{port}: is {which}", hint="say with --board which board hangs there")
    name = board or names[0]
    mode: Mode = next((c.mode for c in found if c.board == name), "application")
    ids = (device.vid, device.pid) if device is not None else None
    others = sum((other.vid, other.pid) == ids for other in usb) > 1
    return Target(catalog[name], port, device, mode, others)


def _called(device: UsbDevice) -> str:
    where = f" at {device.ports[0]}" if device.ports else f" at USB {device.at}" if device.at else ""
    return (f"serial number {device.serial}" if device.serial else "one without a serial number") + where


def _absent(wanted: str, alike: Sequence[UsbDevice], serial: str | None) -> str:
    if serial is None:
        return f"{wanted}: none is connected"
    there = f"there is {', '.join(map(_called, alike))}" if alike else "none is connected"
    return f"{wanted}: none with serial number {serial}; {there}"


def _absent_hint(board: Board) -> str:
    if not board.spec.usb:
        return "its USB ids are not in its board file: name its port with --port"
    return "plug it in with a cable that carries data; `tinyops identify` lists what there is; --port names a port"
