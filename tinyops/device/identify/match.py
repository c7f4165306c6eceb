"""Which boards of the catalogue a device on USB may be. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tinyops.boards.model import Board
from tinyops.device.identify.usb import UsbDevice

Mode: TypeAlias = Literal["application", "bootloader", "debugger"]
NEAREST = 3
# Bridges of USB to a serial line: behind them may be a board, a printer or a receiver. Nobody is written to for them.
BRIDGES = frozenset(
    {(0x10C4, 0xEA60), (0x1A86, 0x7523), (0x1A86, 0x55D4), (0x0403, 0x6001), (0x0403, 0x6015), (0x067B, 0x2303)}
)


@dataclass(frozen=True, order=True)
class Candidate:
    """A board that shows itself under a device's id, and what of it answers there."""

    board: str
    mode: Mode


def candidates(device: UsbDevice, catalog: Mapping[str, Board]) -> tuple[Candidate, ...]:
    """Every board with the device's id; two of them share one now and then."""
    return tuple(sorted(_matching(device, catalog)))


def _matching(device: UsbDevice, catalog: Mapping[str, Board]) -> Iterator[Candidate]:
    for name, board in catalog.items():
        for usb in board.spec.usb:
            if (usb.vid, usb.pid) == (device.vid, device.pid) and usb.mode == mode_of(device, board):
                yield Candidate(name, usb.mode)


def mode_of(device: UsbDevice, board: Board) -> Mode | None:
    """What of a board answers under a device's id; None for an id of others.

    Firmware and bootloader that share an id, as on a Pico 2, are told apart by the serial line: only the first has one.
    """
    modes: list[Mode] = [usb.mode for usb in board.spec.usb if (usb.vid, usb.pid) == (device.vid, device.pid)]
    if len(modes) > 1 and "bootloader" in modes:
        return "bootloader" if not device.ports else next(mode for mode in modes if mode != "bootloader")
    return modes[0] if modes else None


def settle_s(device: UsbDevice | None, catalog: Mapping[str, Board]) -> float:
    """How long a device's line is left alone after it was opened: the longest of the boards that it may be."""
    ids = (device.vid, device.pid) if device is not None else None
    waits = [usb.settle_ms for board in catalog.values() for usb in board.spec.usb if (usb.vid, usb.pid) == ids]
    return max(waits, default=0) / 1000


def may_ask(device: UsbDevice, catalog: Mapping[str, Board]) -> bool:
    """Whether its serial line may be written to unasked: the id is a board's own, while its firmware runs."""
    if (device.vid, device.pid) in BRIDGES:
        return False
    return any(candidate.mode == "application" for candidate in candidates(device, catalog))


def nearest(device: UsbDevice, catalog: Mapping[str, Board]) -> tuple[str, ...]:
    """For a device that no board has the id of: boards of its maker, else those with a name like its own."""
    maker = [name for name, board in catalog.items() if any(usb.vid == device.vid for usb in board.spec.usb)]
    titles = {board.spec.title.lower(): name for name, board in catalog.items() if board.spec.usb}
    alike = [titles[t] for t in difflib.get_close_matches(device.product.lower(), titles, NEAREST, 0.5)]
    chosen = [name for name in alike if name in maker] + [name for name in maker if name not in alike]
    return tuple((chosen or alike)[:NEAREST])
