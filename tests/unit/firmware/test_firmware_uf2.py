"""UF2 files as a boot ROM reads them, and the seal of the second stage, against other ways to compute both."""

from __future__ import annotations

import struct
import zlib

import pytest

from tinyops.firmware.uf2 import BLOCK_BYTES, crc32_msb_first, pack_uf2, seal_boot2

FLASH, RP2040 = 0x10000000, 0xE48BFF56


def read_like_a_boot_rom(data: bytes, family: int) -> dict[int, int]:
    """The flash after the disk took the file: what does not follow the format's rules is left out, as the ROM does."""
    flash: dict[int, int] = {}
    seen = set()
    assert len(data) % 512 == 0
    for at in range(0, len(data), 512):
        block = data[at : at + 512]
        first, second, flags, address, size, number, total, its_family = struct.unpack("<8I", block[:32])
        good = (first, second) == (0x0A324655, 0x9E5D5157) and struct.unpack("<I", block[508:])[0] == 0x0AB16F30
        if not good or not flags & 0x2000 or flags & 1 or its_family != family or size != 256 or address % 256:
            continue
        assert total * 512 == len(data) and number < total
        seen.add(number)
        flash |= {address + i: byte for i, byte in enumerate(block[32 : 32 + size])}
    assert seen == set(range(len(data) // 512))
    return flash


@pytest.mark.parametrize("size", [1, 255, 256, 257, 5000])
def test_a_boot_rom_finds_every_byte_at_its_address(size: int) -> None:
    data = bytes(i * 7 % 251 for i in range(size))
    flash = read_like_a_boot_rom(pack_uf2(data, FLASH, RP2040), RP2040)
    padded = data + b"\xff" * (-size % BLOCK_BYTES)
    assert flash == {FLASH + i: byte for i, byte in enumerate(padded)}


def test_another_family_is_not_taken() -> None:
    with pytest.raises(AssertionError):
        read_like_a_boot_rom(pack_uf2(b"x", FLASH, 0xE48BFF59), RP2040)


def test_a_page_starts_where_pages_do() -> None:
    with pytest.raises(ValueError, match="0x10000010"):
        pack_uf2(b"x", FLASH + 16, RP2040)


def test_the_crc_is_zlibs_with_all_bits_turned_around() -> None:
    def turned(value: int, bits: int) -> int:
        return int(f"{value:0{bits}b}"[::-1], 2)

    for data in (b"", b"123456789", bytes(range(252))):
        mirrored = bytes(turned(byte, 8) for byte in data)
        assert crc32_msb_first(data) == turned(zlib.crc32(mirrored) ^ 0xFFFFFFFF, 32)
    assert crc32_msb_first(b"123456789") == 0x0376E6E7  # CRC-32/MPEG-2's check value


def elf(name: bytes = b".boot2", size: int = 256, fill: int = 7) -> bytes:
    """A header, the section's bytes, the names and the table of sections."""
    names = b"\0" + name + b"\0.names\0"
    content = bytes([fill]) * size
    table = 52 + size + len(names)
    sections = struct.pack("<10I", *[0] * 10)
    sections += struct.pack("<10I", 1, 1, 0, 0, 52, size, 0, 0, 1, 0)
    sections += struct.pack("<10I", len(name) + 2, 3, 0, 0, 52 + size, len(names), 0, 0, 1, 0)
    head = (
        b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, 0, 0, table, 0, 52, 0, 0, 40, 3, 2)
    )
    return head + content + names + sections


def test_a_seal_changes_the_last_four_bytes_only() -> None:
    before = elf()
    after = seal_boot2(before)
    assert after[:304] == before[:304] and after[308:] == before[308:]
    assert after[304:308] == struct.pack("<I", crc32_msb_first(bytes([7]) * 252))
    assert seal_boot2(after) == after


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a little-endian"),
        (b"\x7fELF\x02\x01" + bytes(60), "not a little-endian"),
        (elf()[:200], "outside the file"),
        (elf(name=b".text"), r"no section \.boot2"),
        (elf(size=300), "300 bytes, not 256"),
    ],
)
def test_what_cannot_be_sealed_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        seal_boot2(data)
