"""Whether the files that a board is flashed with hold the bytes of the ELF that was booted."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from tinyops.errors import DoesNotFit, ToolError
from tinyops.files import MIB, read_bounded

FIRMWARE_LIMIT_BYTES = 16 * MIB
UF2_BLOCK_BYTES, UF2_HEAD = 512, struct.Struct("<8I")
UF2_MAGIC, UF2_END = (0x0A324655, 0x9E5D5157), b"\x30\x6f\xb1\x0a"
HEX_DATA, HEX_END, HEX_SEGMENT, HEX_LINEAR, HEX_ENTRIES = 0, 1, 2, 4, (3, 5)


def check_copies(elf: Path, binary: Path, hexadecimal: Path | None) -> None:
    """Raises ToolError naming the copy that differs from the ELF; not every maker's platform makes a HEX file."""
    wanted = elf_bytes(elf)
    start = min(wanted)
    image = read_bounded(binary, FIRMWARE_LIMIT_BYTES)
    if {start + i: byte for i, byte in enumerate(image) if start + i in wanted or byte} != wanted:
        raise ToolError(f"{binary.name} does not hold the bytes of {elf.name}", hint="build the firmware again")
    if hexadecimal is not None and hex_bytes(hexadecimal) != wanted:
        raise ToolError(f"{hexadecimal.name} does not hold the bytes of {elf.name}", hint="build the firmware again")


def check_uf2(elf: Path, uf2: Path) -> None:
    """Raises ToolError when the file for a boot ROM's disk does not hold the ELF's bytes, and nothing but filling."""
    wanted = elf_bytes(elf)
    found = uf2_bytes(uf2)
    if {at: byte for at, byte in found.items() if at in wanted} != wanted or any(
        byte not in (0, 0xFF) for at, byte in found.items() if at not in wanted
    ):
        raise ToolError(f"{uf2.name} does not hold the bytes of {elf.name}", hint="build the firmware again")


def uf2_bytes(path: Path) -> dict[int, int]:
    """Every byte of a UF2 file, by address."""
    data = read_bounded(path, FIRMWARE_LIMIT_BYTES)
    found: dict[int, int] = {}
    for at in range(0, len(data), UF2_BLOCK_BYTES):
        block = data[at : at + UF2_BLOCK_BYTES]
        if len(block) != UF2_BLOCK_BYTES or block[-4:] != UF2_END:
            raise ToolError(f"{path.name}: byte {at}: not a block of UF2")
        first, second, _, address, size, number, total, _ = UF2_HEAD.unpack_from(block)
        whole = number == at // UF2_BLOCK_BYTES and total * UF2_BLOCK_BYTES == len(data)
        if (first, second) != UF2_MAGIC or size > UF2_BLOCK_BYTES - UF2_HEAD.size - 4 or not whole:
            raise ToolError(f"{path.name}: byte {at}: not a block of UF2")
        found |= {address + i: byte for i, byte in enumerate(block[UF2_HEAD.size : UF2_HEAD.size + size])}
    return found


def check_slot(board: str, image: bytes, slot_bytes: int) -> None:
    """Raises DoesNotFit when a model image is larger than its slot."""
    over = len(image) - slot_bytes
    if over > 0:
        raise DoesNotFit(
            f"{board}: the model image of {len(image):,} bytes is {over:,} bytes larger than its slot",
            hint="make the model smaller, or choose a board with a larger model slot",
        )


def elf_bytes(path: Path) -> dict[int, int]:
    """Every byte that the ELF puts into flash, by address."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    found: dict[int, int] = {}
    try:
        with path.open("rb") as stream:
            for segment in ELFFile(stream).iter_segments("PT_LOAD"):
                found |= {segment["p_paddr"] + i: byte for i, byte in enumerate(segment.data())}
    except (ELFError, OSError) as error:
        raise ToolError(f"{path.name}: not an ELF file: {error}") from error
    if not found:
        raise ToolError(f"{path.name}: holds no code")
    return found


def segments(path: Path) -> dict[int, bytes]:
    """What the ELF puts into flash: bytes by address. Raises ToolError."""
    found: dict[int, bytearray] = {}
    end, first = -1, 0
    for address, byte in sorted(elf_bytes(path).items()):
        if address != end:
            first, found[address] = address, bytearray()
        found[first].append(byte)
        end = address + 1
    return {address: bytes(data) for address, data in found.items()}


def address_of(path: Path, name: str) -> int:
    """Where the linker put a symbol of an ELF. Raises ToolError when it has none of that name."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with path.open("rb") as stream:
            table: Any = ELFFile(stream).get_section_by_name(".symtab")
            found = table.get_symbol_by_name(name) if table is not None else None
    except (ELFError, OSError) as error:
        raise ToolError(f"{path.name}: not an ELF file: {error}") from error
    if not found:
        raise ToolError(f"{path.name}: has no symbol {name}", hint="build the firmware again")
    return int(found[0]["st_value"])


def hex_bytes(path: Path) -> dict[int, int]:
    """Every byte of an Intel HEX file, by address."""
    found: dict[int, int] = {}
    base = 0
    for number, line in enumerate(read_bounded(path, FIRMWARE_LIMIT_BYTES).decode("ascii", "replace").split(), 1):
        try:
            record = bytes.fromhex(line.removeprefix(":"))
        except ValueError:
            record = b""
        if not line.startswith(":") or len(record) < 5 or len(record) != record[0] + 5 or sum(record) % 256:
            raise ToolError(f"{path.name}:{number}: not a line of Intel HEX")
        offset, kind, data = int.from_bytes(record[1:3]), record[3], record[4:-1]
        if kind == HEX_DATA:
            found |= {base + offset + i: byte for i, byte in enumerate(data)}
        elif kind in (HEX_SEGMENT, HEX_LINEAR):
            base = int.from_bytes(data) << (4 if kind == HEX_SEGMENT else 16)
        elif kind != HEX_END and kind not in HEX_ENTRIES:
            raise ToolError(f"{path.name}:{number}: unknown kind {kind} of line")
    return found
