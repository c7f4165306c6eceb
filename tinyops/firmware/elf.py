"""What an ELF takes of the board's memories, measured in the file itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyops.boards.layout import Region
from tinyops.errors import DoesNotFit, ToolError

STATIC_SYMBOLS = ("tinyops_static_start", "tinyops_static_end")
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
