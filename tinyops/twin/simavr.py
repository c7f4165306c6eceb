"""AVR boards in simavr: the board's own chip runs the very firmware, its model linked in."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyops.errors import ToolError
from tinyops.files import cache_folder, writing
from tinyops.process import run
from tinyops.toolchain import Tool, installed, locked
from tinyops.twin.machine import Boot, VirtualBoard, start
from tinyops.twin.released import elf_bytes

SOURCE = Path(__file__).with_name("simavr_board.c")
MACHINES = {"atmega2560": "avr"}  # chip -> cpu
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror")
LIBRARIES = ("-lsimavr", "-lelf")
DATA_MEMORY = 0x800000  # where AVR's linker begins to count addresses of RAM
COMPILE_TIMEOUT_S = 60
ORDER_TIMEOUT_S = 20.0
ANSWER_BYTES = 200


@dataclass(frozen=True)
class Counted:
    """Of one virtual board since start-up: core cycles, among them those slept through; bytes of the deepest stack;
    resets, and how many of them the watchdog caused."""

    cycles: int
    stack: int
    resets: int
    watchdog: int


@dataclass
class AvrBoard(VirtualBoard):
    """A virtual board whose pins and power can be reached, too. Each of these raises ToolError when it is gone."""

    orders: socket.socket

    def reset(self) -> None:
        """Pulls the reset pin: RAM keeps what it held."""
        self._order("reset")

    def power_cut(self) -> None:
        """Takes the power away and gives it back: RAM holds noise, flash and EEPROM what was written."""
        self._order("power_cut")

    def measure(self) -> Counted:
        found = dict(re.findall(r"(\w+) (\d+)", self._order("measure")))
        return Counted(**{name: int(found[name]) for name in ("cycles", "stack", "resets", "watchdog")})

    def _order(self, order: str) -> str:
        said = b""
        try:
            self.orders.settimeout(ORDER_TIMEOUT_S)
            self.orders.sendall(f"{order}\n".encode())
            while not said.endswith(b"\n") and len(said) < ANSWER_BYTES:
                piece = self.orders.recv(ANSWER_BYTES)
                if not piece:
                    break
                said += piece
        except OSError as error:
            raise ToolError(f"{self.name}: {order}: the virtual board is gone: {self.how_it_ended()}") from error
        if not said.endswith(b"\n"):
            raise ToolError(f"{self.name}: {order}: the virtual board is gone: {self.how_it_ended()}")
        return said.decode(errors="replace").strip()


@contextlib.contextmanager
def boot(what: Boot) -> Iterator[VirtualBoard]:
    """The board with its released ELF. Raises ToolError for a chip that simavr's board does not know."""
    spec = what.spec
    if MACHINES.get(spec.twin.machine) != spec.cpu:
        raise ToolError(
            f"{what.board}: simavr's chip {spec.twin.machine!r} is no twin of a {spec.cpu}",
            hint=f"known chips: {', '.join(sorted(MACHINES))}",
        )
    _check_emulator(what)
    elf = what.file("firmware.elf")
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryDirectory(prefix="tinyops-twin-") as name:
        folder = Path(name)
        with theirs:
            (folder / "flash.bin").write_bytes(_flash(elf))
            program: list[str | Path] = [build_board(), spec.twin.machine, str(spec.clock_hz), folder / "flash.bin"]
            program += [folder / "eeprom.bin", str(_stack_low(elf))]
            number = theirs.fileno()
            opened = start(what.board, lambda line: [*program, str(line), str(number)], also=(number,))
            virtual = opened.__enter__()
        with contextlib.ExitStack() as stack:
            stack.push(opened)
            yield AvrBoard(virtual.name, virtual.link, virtual.process, virtual.errors, ours)


def build_board() -> Path:
    """The program that is the virtual board, compiled once for each version of its source and of its library.

    Raises ToolError naming what is missing.
    """
    compiler, emulator = installed("gcc"), installed("simavr")
    identity = f"{compiler.version}|{emulator.version}|{FLAGS}|".encode() + SOURCE.read_bytes()
    place = cache_folder() / "twins" / f"simavr-{hashlib.sha256(identity).hexdigest()[:16]}"
    if place.is_file():
        return place
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            made = Path(scratch) / "board"
            command: list[str | Path] = [compiler.path, *FLAGS, SOURCE, *LIBRARIES, "-o", made]
            run(command, timeout_s=COMPILE_TIMEOUT_S, what="gcc, compiling the AVR twin")
            os.replace(made, place)
    return place


def _check_emulator(what: Boot) -> Tool:
    wanted = what.lock.get("emulator")
    return locked(str(wanted["name"]), str(wanted["version"])) if wanted else installed("simavr")


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
