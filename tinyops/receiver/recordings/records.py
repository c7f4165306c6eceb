"""The journal's records: bytes that say of themselves whether they are whole.

A record is a header (`HEADER`, little-endian) and its data; the CRC-32 covers both. A segment of the journal is a
snapshot and the records after it. Reading ends at the first record that is not whole: what power cut off was never
acknowledged.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from io import BytesIO
from typing import BinaryIO

from tinyops.files import MIB

HEADER = struct.Struct("<2sBxIQQII")  # magic, kind, bytes of data, take, offset, frames lost before, CRC-32
MAGIC = b"TJ"
DATA_LIMIT_BYTES = 256 * MIB


class ForeignRecord(ValueError):
    """A whole record that this version does not know."""


class Kind(IntEnum):
    """What happened to a take."""

    SNAPSHOT = 0  # all takes at the start of a segment
    OPEN = 1
    CHUNK = 2
    CLOSE = 3
    DONE = 4  # it lies where it belongs, or among the refused
    DROP = 5  # the sender took it back


@dataclass(frozen=True)
class Record:
    """One event. `offset` and `lost` belong to chunks."""

    kind: Kind
    take: int = 0
    data: bytes = b""
    offset: int = 0
    lost: int = 0

    def encoded(self) -> bytes:
        head = HEADER.pack(MAGIC, self.kind, len(self.data), self.take, self.offset, self.lost, 0)
        crc = zlib.crc32(self.data, zlib.crc32(head))
        return head[:-4] + crc.to_bytes(4, "little") + self.data

    @property
    def size(self) -> int:
        return HEADER.size + len(self.data)


def read_records(stream: BinaryIO, size: int) -> Iterator[tuple[Record, int]]:
    """Every whole record of a segment of `size` bytes and the place where it ends, up to the first that is not.

    Raises ForeignRecord.
    """
    place = 0
    while (head := stream.read(HEADER.size)) and len(head) == HEADER.size:
        magic, kind, length, take, offset, lost, crc = HEADER.unpack(head)
        place += HEADER.size + length
        if magic != MAGIC or length > DATA_LIMIT_BYTES or place > size:
            return
        data = stream.read(length)
        if len(data) != length or zlib.crc32(data, zlib.crc32(head[:-4] + bytes(4))) != crc:
            return
        if kind not in set(Kind):
            raise ForeignRecord(f"a record of kind {kind}")
        yield Record(Kind(kind), take, data, offset, lost), place


def holds_whole_record(tail: bytes) -> bool:
    """Whether a whole record stands anywhere in what follows one that is not."""
    at = tail.find(MAGIC)
    while at >= 0:
        if len(head := tail[at : at + HEADER.size]) < HEADER.size:
            return False
        _, kind, length, *_ = HEADER.unpack(head)
        if kind in set(Kind) and not head[3] and at + HEADER.size + length <= len(tail):
            record = tail[at : at + HEADER.size + length]
            if next(read_records(BytesIO(record), len(record)), None) is not None:
                return True
        at = tail.find(MAGIC, at + 1)
    return False
