"""AVR boards in simavr: the board's own chip runs the very firmware, its model linked in.

With its bootloader the board is what a cable meets: `avrdude` writes it as it writes a real one.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyops.errors import ToolError
from tinyops.toolchain import find_avr_core, installed
from tinyops.twin.compiled import build_once
from tinyops.twin.flash import flash_file
from tinyops.twin.machine import Boot, OrderedBoard, start_ordered
from tinyops.twin.released import elf_bytes, hex_bytes

SOURCES = tuple(Path(__file__).with_name(f"simavr_{name}") for name in ("board.c", "eeprom.c", "eeprom.h"))
MACHINES = {"atmega2560": "avr"}  # chip -> cpu
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror")
LIBRARIES = ("-lsimavr", "-lelf")
DATA_MEMORY = 0x800000  # where AVR's linker begins to count addresses of RAM


# What Arduino puts into a chip's bootloader section, in the folder of its core.
BOOTLOADERS = {"atmega2560": "bootloaders/stk500v2/stk500boot_v2_mega2560.hex"}


class AvrBoard(OrderedBoard):
    """A virtual AVR: its flash cannot be written by what is not in the bootloader section."""

    kind = "simavr"


@dataclass(frozen=True)
class Contents:
    """What the board is started with: a file of its flash, the end of static data or 0, and where a reset leads."""

    flash: Path
    stack_low: int
    start: int = 0


@contextlib.contextmanager
def boot(what: Boot) -> Iterator[AvrBoard]:
    """The board with its released ELF. Raises ToolError for a chip that simavr's board does not know."""
    spec = what.spec
    if MACHINES.get(spec.twin.machine) != spec.cpu:
        raise ToolError(
            f"{what.board}: simavr's chip {spec.twin.machine!r} is no twin of a {spec.cpu}",
            hint=f"known chips: {', '.join(sorted(MACHINES))}",
        )
    what.tool("emulator", "simavr")  # refuses another version than the lock's
    with tempfile.TemporaryDirectory(prefix="tinyops-twin-") as name:
        folder = Path(name)
        kept = folder if what.state is None else what.state
        kept.mkdir(parents=True, exist_ok=True)
        with _bootable(what) if what.bootloader else _flashed(what, folder) as held:
            program: list[str | Path] = [build_board(), spec.twin.machine, str(spec.clock_hz), held.flash]
            program += [kept / "eeprom.bin", str(held.stack_low), str(held.start)]
            with start_ordered(AvrBoard, what.board, lambda *sockets: [*program, *map(str, sockets)]) as virtual:
                yield virtual


@contextlib.contextmanager
def _flashed(what: Boot, folder: Path) -> Iterator[Contents]:
    """The firmware alone, as the proof runs it."""
    elf = what.file("firmware.elf")
    (folder / "flash.bin").write_bytes(_flash(elf))
    yield Contents(folder / "flash.bin", _stack_low(elf))


@contextlib.contextmanager
def _bootable(what: Boot) -> Iterator[Contents]:
    """Firmware, where there is one, and bootloader. What that writes is kept; whose stack it would be is not known."""
    assert what.spec.memory is not None
    loader = read_bootloader(what.spec.twin.machine)
    written = {min(loader): bytes(loader.get(at, 0xFF) for at in range(min(loader), max(loader) + 1))}
    if "firmware.elf" in what.files:
        written[0] = _flash(what.files["firmware.elf"])
    with flash_file([what.spec.memory.flash[0]], what.state, written) as path:
        yield Contents(path, 0, min(loader))


def read_bootloader(machine: str) -> dict[int, int]:
    """The bytes of a chip's bootloader by address, from the Arduino core. Raises ToolError when it is not there."""
    path = find_avr_core().path / BOOTLOADERS[machine]
    if not path.is_file():
        raise ToolError(f"{path}: no such bootloader", hint="on Debian: apt-get install arduino-core-avr")
    return hex_bytes(path)


def build_board() -> Path:
    """The program that is the virtual board, compiled once for each version of its source and of its library.

    Raises ToolError naming what is missing.
    """
    identity = f"{installed('simavr').version}|{FLAGS}"
    return build_once("simavr", identity, SOURCES, lambda made: [*FLAGS, *SOURCES[:2], *LIBRARIES, "-o", made])


def _flash(elf: Path) -> bytes:
    """Flash as a programmer leaves it, from address 0."""
    found = {at: byte for at, byte in elf_bytes(elf).items() if at < DATA_MEMORY}
    flash = bytearray(b"\xff" * (max(found) + 1))
    for at, byte in found.items():
        flash[at] = byte
    return bytes(flash)


def _stack_low(elf: Path) -> int:
    """The first address of RAM above what the linker placed."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as stream:
        table: Any = ELFFile(stream).get_section_by_name(".symtab")
        found = table.get_symbol_by_name("__heap_start") if table is not None else None
    if not found:
        raise ToolError(f"{elf.name}: has no symbol __heap_start", hint="build the firmware again")
    return int(found[0]["st_value"]) - DATA_MEMORY
