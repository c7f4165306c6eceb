"""Making an image of a body, unsigned."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

from tinyops.images.definition import (
    AREA_HEAD,
    BODY_MAX,
    DIGEST_BYTES,
    GOLDEN,
    HEADER,
    HEADER_BYTES,
    LENGTHS,
    MAGIC,
    PROTECTED_MAGIC,
    ROM_FIXED,
    TLV_HEAD,
    TLV_MAGIC,
    Golden,
    Kind,
    Tlv,
)


def build_image(
    body: bytes,
    *,
    kind: Kind,
    board: str,
    contract: bytes,
    counter: int,
    load_address: int | None = None,
    golden: Golden | None = None,
) -> bytes:
    """An unsigned image: what it is of, bound to it by a digest. Equal arguments give equal bytes.

    `load_address` is the origin of the slot that a firmware was linked for (its body begins HEADER_BYTES behind it);
    a model runs anywhere and has none. Raises ValueError for what no image can say: a caller's bug.
    """
    if (kind is Kind.FIRMWARE) != (load_address is not None):
        raise ValueError(f"a {kind.name.lower()} with load address {load_address}")
    if not 0 < len(body) <= BODY_MAX or len(contract) != DIGEST_BYTES:
        raise ValueError(f"a body of {len(body):,} bytes and a contract's digest of {len(contract)}")
    values = {Tlv.COUNTER: struct.pack("<I", counter), Tlv.CONTRACT: contract, Tlv.BOARD: board.encode("ascii")}
    if golden is not None:
        values[Tlv.GOLDEN] = GOLDEN.pack(golden.seed, golden.crc)
    values[Tlv.KIND] = bytes([kind])
    protected = tlv_area(PROTECTED_MAGIC, values.items())
    header_bytes = HEADER_BYTES[kind]
    header = HEADER.pack(
        MAGIC,
        load_address or 0,
        header_bytes,
        len(protected),
        len(body),
        0 if load_address is None else ROM_FIXED,
        *(0, 0, 0, build_number(body)),
        0,
    )
    covered = header.ljust(header_bytes, b"\0") + body + protected
    return covered + tlv_area(TLV_MAGIC, [(Tlv.SHA256, hashlib.sha256(covered).digest())])


def body_max(kind: Kind, board: str, slot_bytes: int) -> int:
    """The most bytes that a body may have, so that its signed image fits a slot."""
    without = {Tlv.BOARD} if kind is Kind.MODEL else {Tlv.BOARD, Tlv.GOLDEN}  # a firmware has no self-test of its own
    lengths = (most for tlv, (_, most) in LENGTHS.items() if tlv not in without)
    values = sum(TLV_HEAD.size + length for length in (*lengths, len(board)))
    return slot_bytes - HEADER_BYTES[kind] - 2 * AREA_HEAD.size - values


def build_number(body: bytes) -> int:
    """The last part of the version 0.0.0+N: it changes with the body and with nothing else."""
    return int.from_bytes(hashlib.sha256(body).digest()[:4], "big")


def tlv_area(magic: int, values: Iterable[tuple[Tlv, bytes]]) -> bytes:
    """An area of TLVs. Raises ValueError for a value of another length than its type's."""
    area = bytearray()
    for tlv, value in values:
        least, most = LENGTHS[tlv]
        if not least <= len(value) <= most:
            raise ValueError(f"{tlv.name}: {len(value)} bytes, {least} to {most} can be")
        area += TLV_HEAD.pack(tlv, len(value)) + value
    return AREA_HEAD.pack(magic, AREA_HEAD.size + len(area)) + bytes(area)
