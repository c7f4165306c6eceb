"""UF2, the files that a board in its boot ROM takes as a disk, and the seal of an RP2040's second stage.

Standard library only: PlatformIO's builder runs this file where tinyops may not be installed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

UF2_MAGIC = (0x0A324655, 0x9E5D5157)
UF2_END = 0x0AB16F30
FAMILY_PRESENT = 0x2000
BLOCK_BYTES = 256  # of 476 that fit: the boot ROM programs pages of this size
SECTOR_BYTES = 4096
FAMILIES = {"RP2040": 0xE48BFF56, "RP2350": 0xE48BFF59}  # by chip; the boot ROM takes no other's

BOOT2_BYTES = 252


def pack_uf2(data: bytes, origin: int, family: int) -> bytes:
    """A whole file: `data` from the address `origin` on, the last page filled up with 0xff."""
    return pack_uf2_parts({origin: data}, family)


def pack_uf2_parts(parts: Mapping[int, bytes], family: int) -> bytes:
    """A whole file of several runs by their addresses; the last page of each is filled up with 0xff."""
    pages: list[tuple[int, bytes]] = []
    for origin, data in parts.items():
        if origin % BLOCK_BYTES:
            raise ValueError(f"{origin:#x} is not the start of a page of {BLOCK_BYTES} bytes")
        pages += [(origin + at, data[at : at + BLOCK_BYTES]) for at in range(0, len(data), BLOCK_BYTES)]
    blocks = []
    for number, (at, page) in enumerate(pages):
        head = (*UF2_MAGIC, FAMILY_PRESENT, at, BLOCK_BYTES, number, len(pages), family)
        whole = page.ljust(BLOCK_BYTES, b"\xff").ljust(476, b"\0")
        blocks.append(struct.pack("<8I", *head) + whole + struct.pack("<I", UF2_END))
    return b"".join(blocks)


def crc32_msb_first(data: bytes) -> int:
    """The CRC-32 that the RP2040's boot ROM checks: polynomial 0x04c11db7, not reflected, from all ones."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


def seal_boot2(elf: bytes) -> bytes:
    """An ELF whose section .boot2 ends in the CRC of its first 252 bytes. Raises ValueError without such a section."""
    at, size = _find_section(elf, b".boot2")
    if size != BOOT2_BYTES + 4:
        raise ValueError(f"section .boot2 has {size} bytes, not {BOOT2_BYTES + 4}: the second stage is too large")
    crc = struct.pack("<I", crc32_msb_first(elf[at : at + BOOT2_BYTES]))
    return elf[: at + BOOT2_BYTES] + crc + elf[at + BOOT2_BYTES + 4 :]


def _find_section(elf: bytes, name: bytes) -> tuple[int, int]:
    """Offset and size of a section of a little-endian 32-bit ELF."""
    if len(elf) < 52 or elf[:6] != b"\x7fELF\x01\x01":
        raise ValueError("not a little-endian 32-bit ELF")
    table, width, count, names = struct.unpack_from("<I10x3H", elf, 32)
    if width < 40 or table + width * count > len(elf) or names >= count:
        raise ValueError("its table of sections lies outside the file")
    sections = [struct.unpack_from("<6I", elf, table + width * number) for number in range(count)]
    texts = sections[names][4]
    for section in sections:
        start = texts + section[0]
        if elf[start : start + len(name) + 1] == name + b"\0":
            return section[4], section[5]
    raise ValueError(f"has no section {name.decode()}")
