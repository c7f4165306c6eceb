"""Images as an ESP32's bootloader wants them."""

from __future__ import annotations

import hashlib
import struct
from functools import reduce
from operator import xor

MAGIC, ADDRESS, CHECKSUM = 0xE9, 0x3F400020, 0xEF


def esp_image(code: bytes) -> bytes:
    """One segment of code, its checksum, and the digest of all."""
    data = code + bytes(-len(code) % 4)
    head = struct.pack("<BBBBI15xB", MAGIC, 1, 2, 0x20, ADDRESS, 1)
    image = head + struct.pack("<II", ADDRESS, len(data)) + data
    image += bytes(15 - len(image) % 16) + bytes([reduce(xor, data, CHECKSUM)])
    return image + hashlib.sha256(image).digest()
