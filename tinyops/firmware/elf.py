"""What an ELF takes of the board's memories, measured in the file itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyops.boards.layout import Memory, Region
from tinyops.errors import DoesNotFit, ToolError

STATIC_SYMBOLS = ("tinyops_static_start", "tinyops_static_end")
SHF_ALLOC = 2
RESERVED = re.compile("heap|stack", re.IGNORECASE)  # sections of linker scripts that only keep room
AVR_SYMBOLS = ("__data_start", "__heap_start")  # of the linker script that its compiler brings


@dataclass(frozen=True)
class ElfSizes:
    """Bytes. `flash` is code, constants and initial data; `static_ram` is data, bss and arena."""

    flash: int
    static_ram: int


def measure(path: Path, flash: Region) -> ElfSizes:
    """Raises ToolError when the file is no ELF of ours."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with path.open("rb") as stream:
            elf = ELFFile(stream)
            loaded = [s for s in elf.iter_segments("PT_LOAD") if s["p_filesz"]]
            end = max(s["p_paddr"] + s["p_filesz"] for s in loaded)
            table: Any = elf.get_section_by_name(".symtab")
            names = AVR_SYMBOLS if elf["e_machine"] == "EM_AVR" else STATIC_SYMBOLS
            start_at, end_at = (table.get_symbol_by_name(name)[0]["st_value"] for name in names)
    except (ELFError, OSError, ValueError, TypeError, AttributeError) as error:
        raise ToolError(f"{path.name}: not a firmware that tinyops can measure: {error}") from error
    return ElfSizes(end - flash.origin, end_at - start_at)


def measure_foreign(path: Path, memory: Memory, slot: Region) -> ElfSizes:
    """The same for a firmware with a maker's linker script, which knows neither our symbols nor the board's slots.

    RAM that the script keeps for heap and stack is not counted. Where no segment lies in flash, a bootloader copies
    what it finds in a file of its own format, and their sum is what there is to tell. Raises ToolError for what
    is no such ELF, or lies where the board's file does not have it.
    """
    elf = _read(path)
    static = [size for name, at, size in elf.sections if _within(at, memory.ram) and not RESERVED.search(name)]
    return ElfSizes(_flash_use(path, elf, memory, slot), sum(static))


def flash_image(path: Path, memory: Memory, slot: Region) -> bytes:
    """What the ELF puts into flash from the start of the slot on, as one piece; empty where no segment lies there."""
    elf = _read(path)
    image = bytearray(max(_flash_use(path, elf, memory, slot), 0))
    inside = [(at, data) for at, data in elf.loaded if _within(at, _flash_of(memory, slot))]
    for at, data in inside:
        image[at - slot.origin : at - slot.origin + len(data)] = data
    return bytes(image) if inside else b""


@dataclass(frozen=True)
class _Parts:
    """Segments with content, by physical address; the sections that lie in memory: name, address, bytes."""

    loaded: tuple[tuple[int, bytes], ...]
    sections: tuple[tuple[str, int, int], ...]


def _read(path: Path) -> _Parts:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with path.open("rb") as stream:
            elf = ELFFile(stream)
            segments = [s for s in elf.iter_segments("PT_LOAD") if s["p_filesz"]]
            sections = [s for s in elf.iter_sections() if s["sh_flags"] & SHF_ALLOC]
            return _Parts(
                tuple((s["p_paddr"], s.data()) for s in segments),
                tuple((s.name, s["sh_addr"], s["sh_size"]) for s in sections),
            )
    except (ELFError, OSError, ValueError, TypeError) as error:
        raise ToolError(f"{path.name}: not a firmware that tinyops can measure: {error}") from error


def _flash_of(memory: Memory, slot: Region) -> Region:
    return next(flash for flash in memory.flash if _within(slot.origin, flash))


def _flash_use(path: Path, elf: _Parts, memory: Memory, slot: Region) -> int:
    flash = _flash_of(memory, slot)
    inside = [(at, len(data)) for at, data in elf.loaded if _within(at, flash)]
    if not inside:
        return sum(len(data) for _, data in elf.loaded)
    first = min(at for at, _ in inside)
    if first < slot.origin:
        raise ToolError(
            f"{path.name}: its linker script puts it at {first:#x}, the firmware slot starts at {slot.origin:#x}",
            hint="mend the layout in the board's file, or the options of its section arduino",
        )
    return max(at + size for at, size in inside) - slot.origin


def _within(address: int, region: Region) -> bool:
    return region.origin <= address < region.end


def check_fit(board: str, sizes: ElfSizes, flash: Region, ram: Region, stack_bytes: int) -> None:
    """Raises DoesNotFit naming each memory that is too small, and by how many bytes."""
    needed = sizes.static_ram + stack_bytes
    problems = []
    if sizes.flash > flash.bytes:
        over = sizes.flash - flash.bytes
        problems.append(f"firmware slot: {sizes.flash:,} of {flash.bytes:,} bytes, {over:,} too many")
    if needed > ram.bytes:
        problems.append(
            f"RAM: {needed:,} of {ram.bytes:,} bytes ({sizes.static_ram:,} static with the arena, "
            f"{stack_bytes:,} stack), {needed - ram.bytes:,} too many"
        )
    if problems:
        raise DoesNotFit(
            f"{board}: the firmware does not fit: " + "; ".join(problems),
            hint="choose smaller sensor frames, a board with more memory, or another layout in its catalogue entry",
            firmware_bytes=sizes.flash,
        )
