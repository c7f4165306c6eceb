"""Images in MCUboot's format, as far as we use it. This module is the one definition; C has its numbers from here.

    header, 32 bytes, filled up with zeros to `header_bytes`; body; protected TLVs; TLVs

All numbers are little-endian. A TLV area is a head (its magic, its length with the head) and TLVs: type, length of
the value, value. The digest is over everything before the second area, the signature over the digest, so what is
signed cannot change without anybody noticing; that nothing else is in a file, and nothing behind it, `read.py` checks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

MAGIC = 0x96F3B83D
PROTECTED_MAGIC = 0x6908
TLV_MAGIC = 0x6907
ROM_FIXED = 0x100  # flag: runs at its load address alone

# Magic, load address, bytes of header, of protected TLVs, of body, flags, version (4 numbers), zero.
HEADER = struct.Struct("<IIHHIIBBHII")
TLV_HEAD = struct.Struct("<HH")
AREA_HEAD = struct.Struct("<HH")
GOLDEN = struct.Struct("<II")

HEADER_MAX = 1024  # bytes that a header may be filled up to
AREA_MAX = 1024  # bytes of one TLV area
BODY_MAX = 16 * 1024 * 1024
BOARD_MAX = 63
DIGEST_BYTES = 32
KEY_BYTES = 32
SIGNATURE_BYTES = 64
# Before an Ed25519 key's bytes: the rest of its DER SubjectPublicKeyInfo, over which the key hash is.
KEY_PREFIX = bytes.fromhex("302a300506032b6570032100")


class Kind(IntEnum):
    """What an image holds; the number that SMP gives it, too."""

    FIRMWARE = 0
    MODEL = 1


# Bytes of a header. A vector table must lie on a multiple of its size rounded up to a power of two.
HEADER_BYTES = {Kind.FIRMWARE: 256, Kind.MODEL: 32}


class Tlv(IntEnum):
    """Types of TLVs. Those from 0xa0 are ours, in the range that MCUboot leaves to vendors."""

    KEY_HASH = 0x01
    SHA256 = 0x10
    ED25519 = 0x24
    COUNTER = 0x50
    CONTRACT = 0xA0
    BOARD = 0xA1
    GOLDEN = 0xA2
    KIND = 0xA3


TLV_TEXT: dict[Tlv, str] = {
    Tlv.KEY_HASH: "SHA-256 of KEY_PREFIX and the raw public key",
    Tlv.SHA256: "of header, body and protected TLVs",
    Tlv.ED25519: "signature over those 32 bytes",
    Tlv.COUNTER: "protected; security counter, u32",
    Tlv.CONTRACT: "protected; SHA-256 of the contract; of a firmware, of the one that it was built for",
    Tlv.BOARD: "protected; name in the catalogue, ASCII",
    Tlv.GOLDEN: "protected, may be missing; u32 seed (golden.h), u32 CRC-32 of the output tensor",
    Tlv.KIND: "protected; u8: 0 firmware, 1 model",
}
PROTECTED = (Tlv.COUNTER, Tlv.CONTRACT, Tlv.BOARD, Tlv.GOLDEN, Tlv.KIND)
# Least and most bytes of a value.
LENGTHS: dict[Tlv, tuple[int, int]] = {
    Tlv.KEY_HASH: (DIGEST_BYTES, DIGEST_BYTES),
    Tlv.SHA256: (DIGEST_BYTES, DIGEST_BYTES),
    Tlv.ED25519: (SIGNATURE_BYTES, SIGNATURE_BYTES),
    Tlv.COUNTER: (4, 4),
    Tlv.CONTRACT: (DIGEST_BYTES, DIGEST_BYTES),
    Tlv.BOARD: (1, BOARD_MAX),
    Tlv.GOLDEN: (GOLDEN.size, GOLDEN.size),
    Tlv.KIND: (1, 1),
}


@dataclass(frozen=True)
class Golden:
    """The self-test of a model: the seed of its input, and the CRC-32 of the outputs that it must give."""

    seed: int
    crc: int
