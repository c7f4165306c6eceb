"""What may not be in an image or a shared object, found in its ELF files. Pure: bytes in, findings out."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

from tinyops.compiler.header import PART_WORDS, SYMBOLS
from tinyops.errors import SpecError

# R_ARM_*: all that depend only on the distance between two places of the image.
PC_RELATIVE = frozenset(
    {
        *(0, 1, 3, 10, 11),  # NONE, PC24, REL32, THM_CALL, THM_PC8
        *(28, 29, 30, 40, 42),  # CALL, JUMP24, THM_JUMP24, V4BX (a mark), PREL31
        *(45, 46, 49, 50),  # MOVW_PREL_NC, MOVT_PREL and their Thumb forms
        *(51, 52, 53, 54),  # THM_JUMP19, THM_JUMP6, THM_ALU_PREL_11_0, THM_PC12
        *(102, 103),  # THM_JUMP11, THM_JUMP8
    }
)
SHF_WRITE, SHF_ALLOC = 1, 2
# e_shoff; e_shnum and e_shstrndx: format and place in the header of a 64-bit file.
SECTION_TABLE_AT, SECTION_COUNT_AT = ("<Q", 40), ("<HH", 60)
EXPORTS = frozenset(SYMBOLS)


def _open(data: bytes) -> Any:
    from elftools.elf.elffile import ELFFile

    return ELFFile(io.BytesIO(data))


def _relocations(elf: Any) -> Iterator[tuple[str, int, str]]:
    """(section, type, symbol) of every relocation of bytes that are loaded."""
    from elftools.elf.relocation import RelocationSection

    for section in elf.iter_sections():
        if not isinstance(section, RelocationSection):
            continue
        place = elf.get_section(section["sh_info"])
        symbols = elf.get_section(section["sh_link"])
        # Unwind tables are allocated but left out of images.
        if not place["sh_flags"] & SHF_ALLOC or place.name.startswith((".ARM.ex", ".eh_frame")):
            continue
        for relocation in section.iter_relocations():
            symbol = symbols.get_symbol(relocation["r_info_sym"])
            yield place.name, relocation["r_info_type"], symbol.name or "a local symbol"


def check_position_independent(data: bytes, name: str) -> None:
    """Raises SpecError when a Cortex-M object or linked file holds an address or anything writable.

    `name` is what the message calls the file.
    """
    elf = _open(data)
    for section in elf.iter_sections():
        writable = section["sh_flags"] & SHF_WRITE and section["sh_flags"] & SHF_ALLOC
        if writable and section["sh_size"]:
            raise SpecError(
                f"{name}: section {section.name} has {section['sh_size']} writable bytes; an image has none",
                hint="constant tables must hold numbers, not addresses, and functions no static variables",
            )
    for section, kind, symbol in _relocations(elf):
        if kind not in PC_RELATIVE:
            raise SpecError(
                f"{name}: relocation of type {kind} in {section} against {symbol} is not relative to the "
                "program counter",
                hint="an image runs at any address: it cannot hold one",
            )


def section_bytes(data: bytes) -> dict[str, int]:
    """Bytes of each section that is loaded."""
    return {
        s.name: int(s["sh_size"]) for s in _open(data).iter_sections() if s["sh_flags"] & SHF_ALLOC and s["sh_size"]
    }


def flat_bytes(data: bytes) -> bytes:
    """The loaded sections as they lie in memory, from address 0; gaps are 0."""
    image = bytearray()
    for section in _open(data).iter_sections():
        if section["sh_flags"] & SHF_ALLOC and section["sh_size"]:
            start = section["sh_addr"]
            image.extend(bytes(max(start + section["sh_size"] - len(image), 0)))
            image[start : start + section["sh_size"]] = section.data()
    return bytes(image)


def without_sections(data: bytes) -> bytes:
    """A 64-bit shared object up to the end of what is loaded. A loader goes by segments; the table of sections, which
    is for linkers and debuggers, and what only it names come last."""
    elf = _open(data)
    end = max(s["p_offset"] + s["p_filesz"] for s in elf.iter_segments())
    header = bytearray(data[: elf.header["e_ehsize"]])
    struct.pack_into(SECTION_TABLE_AT[0], header, SECTION_TABLE_AT[1], 0)
    struct.pack_into(SECTION_COUNT_AT[0], header, SECTION_COUNT_AT[1], 0, 0)
    return bytes(header) + data[len(header) : end]


def check_shared_object(data: bytes, name: str) -> None:
    """Raises SpecError unless the object needs nothing from outside and offers exactly the model's ABI."""
    elf = _open(data)
    if any(elf.get_section_by_name(s) for s in (".gnu.version_r", ".gnu.version_d")):
        raise SpecError(f"{name}: has versioned symbols")
    symbols = list(elf.get_section_by_name(".dynsym").iter_symbols())
    missing = sorted(s.name for s in symbols if s["st_shndx"] == "SHN_UNDEF" and s.name)
    if missing:
        raise SpecError(f"{name}: needs {', '.join(missing)} from outside")
    offered = {s.name for s in symbols if s["st_shndx"] != "SHN_UNDEF" and s["st_info"]["bind"] == "STB_GLOBAL"}
    if offered - {PART_WORDS} != EXPORTS:
        raise SpecError(f"{name}: exports {sorted(offered)}, wanted {sorted(EXPORTS)}")
    needed = [t.needed for t in elf.get_section_by_name(".dynamic").iter_tags() if t.entry.d_tag == "DT_NEEDED"]
    if needed:
        raise SpecError(f"{name}: needs the libraries {', '.join(needed)}")
