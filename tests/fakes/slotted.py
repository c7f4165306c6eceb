"""A micro:bit with our bootloader, two slots for each image and a log of them, whatever the catalogue's has."""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyops.boards.layout import Layout, Region
from tinyops.boards.loader import load_catalog
from tinyops.boards.model import Board
from tinyops.images import golden_input

NAME = "microbit"
CONTRACT = b'{"abi":1,"arena_bytes":4096}'
SEED = 3
OUTPUT = b"\x01\x02"
CONTENTS = {
    "contract.json": CONTRACT,
    "golden.bin": b"TOG1" + struct.pack("<3I", 1, 8, 2) + golden_input(SEED, 8) + OUTPUT,
    "model.bin": b"TOM1 and so on",
    "bootloader.bin": b"our bootloader",
    "firmware.bin": b"firmware at its first place",
    "firmware_b.bin": b"firmware at its second place",
}


def region(origin: int, count: int) -> Region:
    return Region(origin=origin, bytes=count)


@functools.cache
def _catalog() -> Mapping[str, Board]:
    return load_catalog()


def slotted(**changes: Any) -> Board:
    """The board; `changes` are of its layout."""
    fields: dict[str, Any] = {
        "own_bootloader": region(0, 20480),
        "firmware": (region(0x5000, 32768), region(0xD000, 32768)),
        "model": (region(0x15000, 86016), region(0x2A000, 86016)),
        "settings": region(0x3F000, 2048),
        "state": region(0x3F800, 2048),
        "arena_bytes": 4096,
        "stack_bytes": 3072,
    }
    board = _catalog()[NAME]
    layout = Layout(**{**fields, **changes})
    return board.model_copy(update={"spec": board.spec.model_copy(update={"layout": layout})})


def write_contents(folder: Path, contents: Mapping[str, bytes] = CONTENTS) -> dict[str, Path]:
    """What the steps before a board's twin make, by name."""
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}
