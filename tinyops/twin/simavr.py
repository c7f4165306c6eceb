"""AVR boards in simavr: the board's own chip runs the very firmware, its model linked in."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinyops.errors import ToolError
from tinyops.toolchain import installed
from tinyops.twin.compiled import build_once
from tinyops.twin.machine import Boot, OrderedBoard, start_ordered
from tinyops.twin.released import elf_bytes

SOURCES = tuple(Path(__file__).with_name(f"simavr_{name}") for name in ("board.c", "eeprom.c", "eeprom.h"))
MACHINES = {"atmega2560": "avr"}  # chip -> cpu
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror")
LIBRARIES = ("-lsimavr", "-lelf")
DATA_MEMORY = 0x800000  # where AVR's linker begins to count addresses of RAM


class AvrBoard(OrderedBoard):
    """A virtual AVR: its flash cannot be written by what is not in the bootloader section."""

    kind = "simavr"


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
    elf = what.file("firmware.elf")
    with tempfile.TemporaryDirectory(prefix="tinyops-twin-") as name:
        folder = Path(name)
        kept = folder if what.state is None else what.state
        kept.mkdir(parents=True, exist_ok=True)
        (folder / "flash.bin").write_bytes(_flash(elf))
        program: list[str | Path] = [build_board(), spec.twin.machine, str(spec.clock_hz), folder / "flash.bin"]
        program += [kept / "eeprom.bin", str(_stack_low(elf))]
        with start_ordered(AvrBoard, what.board, lambda *sockets: [*program, *map(str, sockets)]) as virtual:
            yield virtual


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
