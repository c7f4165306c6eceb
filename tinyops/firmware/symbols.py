"""Where an address lies in a program: function, file and line, from the ELF that was released."""

from __future__ import annotations

import io
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tinyops.errors import ToolError
from tinyops.files import MIB, read_bounded
from tinyops.firmware.slots import MODEL_SLOTS

ELF_LIMIT_BYTES = 64 * MIB
IMAGE_MAGIC = b"TOM1"
FLASH = ("tinyops_flash_start", "tinyops_flash_end")  # of link.ld.j2
ProgramKind: TypeAlias = Literal["firmware", "model"]


@dataclass(frozen=True)
class Place:
    """A place in source. `line` is 0 and `file` "" where the ELF has no line for the address."""

    function: str
    file: str
    line: int


class Program:
    """A firmware, linked to its addresses, or a model image, linked to 0 and position-independent."""

    def __init__(self, path: Path) -> None:
        """Raises ToolError for what is neither, SpecError for what cannot be read."""
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile

        self.path = path
        try:
            self._elf: Any = ELFFile(io.BytesIO(read_bounded(path, ELF_LIMIT_BYTES)))
            self._symbols = {s.name: int(s["st_value"]) for s in self._table()}
            self.origin, self.data = self._flash()
        except (ELFError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise ToolError(f"{path}: not an ELF of a firmware or a model image: {error}") from error

    @property
    def kind(self) -> ProgramKind:
        return "model" if self.data.startswith(IMAGE_MAGIC) else "firmware"

    @property
    def is_riscv(self) -> bool:
        return str(self._elf["e_machine"]) == "EM_RISCV"

    @cached_property
    def crc(self) -> int:
        """CRC-32 of what lies in the board's flash: what a device keeps of the program that crashed."""
        return zlib.crc32(self.data)

    @property
    def slots(self) -> tuple[int, ...]:
        """Where the firmware looks for a model image, by address."""
        return tuple(sorted(self._symbols[name] for name in MODEL_SLOTS if name in self._symbols))

    def holds(self, address: int) -> bool:
        return self.origin <= address < self.origin + len(self.data)

    def find(self, address: int) -> Place | None:
        """The place of an instruction; None outside every function. An address's Thumb bit is ignored."""
        address &= ~1
        at = bisect_right(self._functions, address, key=_start) - 1
        if at < 0 or address >= self._functions[at][0] + self._functions[at][2]:
            return None
        file, line = self._line(address)
        return Place(self._functions[at][1], file, line)

    def _table(self) -> Iterator[Any]:
        return self._elf.get_section_by_name(".symtab").iter_symbols()  # type: ignore[no-any-return]

    def _flash(self) -> tuple[int, bytes]:
        """The bytes between the linker's marks, or all that is loaded; gaps are 0, as in firmware.bin."""
        loaded = [(int(s["p_paddr"]), s.data()) for s in self._elf.iter_segments("PT_LOAD") if s["p_filesz"]]
        start = self._symbols.get(FLASH[0], min(at for at, _ in loaded))
        end = self._symbols.get(FLASH[1], max(at + len(data) for at, data in loaded))
        if not 0 < end - start <= ELF_LIMIT_BYTES:
            raise ValueError(f"{end - start} bytes of flash")
        found = bytearray(end - start)
        for at, data in loaded:
            if start <= at and at + len(data) <= end:
                found[at - start : at - start + len(data)] = data
        return start, bytes(found)

    @cached_property
    def _functions(self) -> list[tuple[int, str, int]]:
        """(address, name, bytes), by address."""
        found = [s for s in self._table() if s["st_info"]["type"] == "STT_FUNC" and s["st_size"]]
        return sorted((int(s["st_value"]) & ~1, str(s.name), int(s["st_size"])) for s in found)

    @cached_property
    def _lines(self) -> list[tuple[int, int, str, int]]:
        """(first address, end, file, line) of every row of the line table, by address."""
        from elftools.common.exceptions import ELFError

        if not self._elf.has_dwarf_info():
            return []
        found: list[tuple[int, int, str, int]] = []
        try:
            dwarf = self._elf.get_dwarf_info(relocate_dwarf_sections=False)  # linked, with the relocations left in it
            for unit in dwarf.iter_CUs():
                program = dwarf.line_program_for_CU(unit)
                if program is not None:
                    found += _rows(program)
        except (ELFError, ValueError, KeyError, IndexError) as error:
            raise ToolError(f"{self.path}: its line table cannot be read: {error}") from error
        return sorted(found)

    def _line(self, address: int) -> tuple[str, int]:
        at = bisect_right(self._lines, address, key=_start) - 1
        if at < 0 or address >= self._lines[at][1]:
            return "", 0
        return self._lines[at][2], self._lines[at][3]


def _start(row: Any) -> int:
    return int(row[0])


def _rows(program: Any) -> Iterator[tuple[int, int, str, int]]:
    before = None
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if before is not None and state.address > before.address:
            yield before.address, state.address, _file(program, before.file), before.line
        before = None if state.end_sequence else state


def _file(program: Any, number: int) -> str:
    """The file's name as the compiler was given it. Before DWARF 5, files and folders count from 1."""
    header = program.header
    entries, folders = header["file_entry"], header["include_directory"]
    first = 0 if header["version"] >= 5 else 1
    if not 0 <= number - first < len(entries):
        return ""
    entry = entries[number - first]
    name = str(entry.name.decode(errors="replace"))
    folder = entry.dir_index - first
    if not 0 <= folder < len(folders):
        return name
    return f"{folders[folder].decode(errors='replace')}/{name}"
