"""The settings region: definition and host's end. This module is its one definition; C gets a header from it.

The region holds two copies, half of it each. A copy is a header, padded with 0xff to whole program
units, and the values behind it. The header is magic, sequence, length of the values and a CRC-32
(IEEE) over those three and the values, each 32 bits, little-endian. It is programmed last: until it
is whole, the other copy is the device's. Among two whole copies the one with the higher sequence
counts; sequences are compared modulo 2^32.

Values are (tag, length, bytes): one byte, two, and the value, with ascending tags and none twice. Readers pass
over tags that they do not know. Tags from 0x80 are secrets: no device gives them out.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from tinyops.errors import RemoteError, UsageError

MAGIC = 0x31535254  # "TRS1"
HEADER = struct.Struct("<4I")
VALUE_HEAD = struct.Struct("<BH")
VALUES_MAX = 896  # bytes of values: with a header, a copy fits a sector of 1 KB
NETWORK_VALUES_MAX = 8160  # of a device that keeps roots, too: a copy fits 8 KB
COPIES = 2
SECRET_FROM = 0x80
BLANK = 0xFF
KEY_BYTES = 32
IMAGE_KEYS = (2, 4)  # fewest and most


class Tag(IntEnum):
    """What a value is. From 0x80: secrets."""

    DEVICE = 0x01
    FLEET = 0x02
    BOARD = 0x03
    IMAGE_KEYS = 0x04
    REPORT_PUBLIC_KEY = 0x05
    ENDPOINT = 0x06
    WIFI_SSID = 0x07
    ROOTS = 0x08
    WRITTEN = 0x09
    WIFI_PASSWORD = 0x80
    REPORT_KEY = 0x81


TAG_TEXT: Mapping[Tag, str] = {
    Tag.DEVICE: "the device's id, ASCII",
    Tag.FLEET: "its fleet, ASCII",
    Tag.BOARD: "its board in the catalogue, ASCII; of a part of a chain /PART/CHAIN behind it",
    Tag.IMAGE_KEYS: "Ed25519 public keys that may sign images, 32 bytes each",
    Tag.REPORT_PUBLIC_KEY: "public half of its own key, 32 bytes",
    Tag.ENDPOINT: "where releases are, a URL in ASCII",
    Tag.WIFI_SSID: "name of its network, 1 to 32 bytes",
    Tag.ROOTS: "certificates that may vouch for a server, DER, one after another",
    Tag.WRITTEN: "when this was written, seconds after 1970, 8 bytes, little-endian",
    Tag.WIFI_PASSWORD: "of that network, 8 to 63 characters or 64 hex digits",
    Tag.REPORT_KEY: "its own Ed25519 key, 32 bytes: it signs reports",
}
LENGTHS: Mapping[Tag, tuple[int, int]] = {
    Tag.DEVICE: (1, 63),
    Tag.FLEET: (1, 63),
    Tag.BOARD: (1, 191),
    Tag.IMAGE_KEYS: (IMAGE_KEYS[0] * KEY_BYTES, IMAGE_KEYS[1] * KEY_BYTES),
    Tag.REPORT_PUBLIC_KEY: (KEY_BYTES, KEY_BYTES),
    Tag.ENDPOINT: (1, 200),
    Tag.WIFI_SSID: (1, 32),
    Tag.ROOTS: (256, 6144),
    Tag.WRITTEN: (8, 8),
    Tag.WIFI_PASSWORD: (8, 64),
    Tag.REPORT_KEY: (KEY_BYTES, KEY_BYTES),
}


@dataclass(frozen=True)
class Settings:
    """What a device is told once. Secrets are not shown when it is printed."""

    device: str
    fleet: str
    board: str
    image_keys: tuple[bytes, ...]
    report_public_key: bytes
    endpoint: str = ""
    wifi_ssid: str = ""
    wifi_password: str = field(default="", repr=False)
    report_key: bytes = field(default=b"", repr=False)
    roots: tuple[bytes, ...] = ()
    written: int = 0
    part: str = ""  # of a chain, as its fleet calls it
    chain: str = ""  # its id: what takes a place in waves

    def values(self) -> dict[Tag, bytes]:
        """Those that are there, by tag."""
        found = {
            Tag.DEVICE: self.device.encode(),
            Tag.FLEET: self.fleet.encode(),
            Tag.BOARD: "/".join((self.board, self.part, self.chain)).rstrip("/").encode(),
            Tag.IMAGE_KEYS: b"".join(self.image_keys),
            Tag.REPORT_PUBLIC_KEY: self.report_public_key,
            Tag.ENDPOINT: self.endpoint.encode(),
            Tag.WIFI_SSID: self.wifi_ssid.encode(),
            Tag.ROOTS: b"".join(self.roots),
            Tag.WRITTEN: self.written.to_bytes(8, "little") if self.written else b"",
            Tag.WIFI_PASSWORD: self.wifi_password.encode(),
            Tag.REPORT_KEY: self.report_key,
        }
        return {tag: value for tag, value in found.items() if value}


def encode_values(settings: Settings, most: int = VALUES_MAX) -> bytes:
    """The values as bytes, for a device that keeps `most`. Raises UsageError, which quotes no secret, for a value that
    is too short or long."""
    data = b""
    for tag, value in sorted(settings.values().items()):
        _check_length(tag, len(value))
        data += VALUE_HEAD.pack(tag, len(value)) + value
    if len(data) > most:
        raise UsageError(f"settings of {len(data)} bytes: a device keeps {most}", hint="shorten the endpoint")
    return data


def _check_length(tag: Tag, length: int) -> None:
    shortest, longest = LENGTHS[tag]
    name = tag.name.lower().replace("_", " ")
    if tag == Tag.IMAGE_KEYS and length < shortest:
        raise UsageError(
            f"{length // KEY_BYTES} image key: a device needs two at the least, the active one and an offline spare",
            hint="make a spare with `tinyops keys new spare`, keep it offline, add its public half to the trusted keys",
        )
    if not shortest <= length <= longest:
        limit = f"{shortest} to {longest}" if shortest != longest else str(longest)
        raise UsageError(f"{name}: {length} bytes long, {limit} can be kept")


def decode_values(data: bytes, *, where: str) -> dict[int, bytes]:
    """The values by tag, unknown ones, too. Raises RemoteError for what is not well-formed."""
    found: dict[int, bytes] = {}
    at, last = 0, -1
    while at < len(data):
        if len(data) - at < VALUE_HEAD.size:
            raise RemoteError(f"{where}: settings end within a value's head")
        tag, length = VALUE_HEAD.unpack_from(data, at)
        at += VALUE_HEAD.size
        if tag <= last:
            raise RemoteError(f"{where}: setting {tag:#04x} stands after {last:#04x}")
        if length > len(data) - at:
            raise RemoteError(f"{where}: setting {tag:#04x} is cut short")
        found[tag], last = data[at : at + length], tag
        at += length
    return found


def padded(count: int, unit_bytes: int) -> int:
    return -(-count // unit_bytes) * unit_bytes


def encode_copy(values: bytes, sequence: int, program_bytes: int) -> bytes:
    """A whole copy as it lies in flash, without the blank rest."""
    head = struct.pack("<3I", MAGIC, sequence, len(values))
    header = head + struct.pack("<I", zlib.crc32(head + values))
    start = padded(len(header), program_bytes)
    return header.ljust(start, b"\xff") + values.ljust(padded(len(values), program_bytes), b"\xff")


def find_values(region: bytes, program_bytes: int) -> tuple[int, bytes] | None:
    """Sequence and values of the copy that counts in a region's bytes; None where there is none."""
    half = len(region) // COPIES
    copies = (_read_copy(region[i * half : (i + 1) * half], program_bytes) for i in range(COPIES))
    found = [copy for copy in copies if copy is not None]
    if len(found) == COPIES and (found[1][0] - found[0][0]) % 2**32 >= 2**31:
        return found[0]
    return found[-1] if found else None


def _read_copy(copy: bytes, program_bytes: int) -> tuple[int, bytes] | None:
    magic, sequence, length, crc = HEADER.unpack_from(copy)
    start = padded(HEADER.size, program_bytes)
    if magic != MAGIC or length > min(NETWORK_VALUES_MAX, len(copy) - start):
        return None
    values = copy[start : start + length]
    return (sequence, values) if zlib.crc32(copy[:12] + values) == crc else None


def c_header() -> str:
    """The text of runtime/include/tinyops/settings_format.h."""
    lines = [
        "/* The settings region: numbers. Written by tinyops/device/provision/format.py, which is its",
        " * definition; never edited by hand. */",
        "#ifndef TINYOPS_SETTINGS_FORMAT_H",
        "#define TINYOPS_SETTINGS_FORMAT_H",
        "",
        f"#define TINYOPS_SETTINGS_MAGIC 0x{MAGIC:08x}u",
        f"#define TINYOPS_SETTINGS_HEADER_BYTES {HEADER.size}u",
        f"#define TINYOPS_SETTINGS_VALUE_HEAD_BYTES {VALUE_HEAD.size}u",
        "/* Of a device with room for more the build says how much. */",
        "#if !defined(TINYOPS_SETTINGS_VALUES_MAX)",
        f"#define TINYOPS_SETTINGS_VALUES_MAX {VALUES_MAX}u",
        "#endif",
        f"#define TINYOPS_SETTINGS_SECRET_FROM 0x{SECRET_FROM:02x}u",
        "",
    ]
    for tag, text in TAG_TEXT.items():
        lines += [f"/* {text} */", f"#define TINYOPS_SETTINGS_{tag.name} 0x{tag.value:02x}u"]
    return "\n".join([*lines, "", "#endif", ""])
