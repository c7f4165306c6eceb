"""Reading an image from bytes that nobody has checked."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Collection
from dataclasses import dataclass, field

from tinyops.errors import RemoteError
from tinyops.images.definition import (
    AREA_HEAD,
    AREA_MAX,
    BODY_MAX,
    GOLDEN,
    HEADER,
    HEADER_MAX,
    LENGTHS,
    MAGIC,
    PROTECTED,
    PROTECTED_MAGIC,
    ROM_FIXED,
    TLV_HEAD,
    TLV_MAGIC,
    Golden,
    Kind,
    Tlv,
)

_UNPROTECTED = (Tlv.SHA256, Tlv.KEY_HASH, Tlv.ED25519)


@dataclass(frozen=True)
class Image:
    """An image whose digest is right. Who signed it is for `check_signature` to say."""

    kind: Kind
    board: str
    contract: bytes
    counter: int
    load_address: int | None  # of a firmware: its slot's origin
    version: tuple[int, int, int, int]
    golden: Golden | None
    digest: bytes  # SHA-256 of header, body and protected TLVs: its name in SMP, and what is signed
    key_hash: bytes | None
    signature: bytes | None
    header_bytes: int
    covered_bytes: int  # by the digest
    total_bytes: int
    body: bytes = field(repr=False)

    @property
    def version_text(self) -> str:
        return "{}.{}.{}+{}".format(*self.version)


@dataclass(frozen=True)
class _Header:
    load_address: int
    header_bytes: int
    protected_bytes: int
    body_bytes: int
    flags: int
    version: tuple[int, int, int, int]


def read_image(data: bytes, *, where: str, in_slot: bool = False) -> Image:
    """The image that the bytes are; with `in_slot` others may follow it. Raises RemoteError, with offset and value."""
    header = _read_header(data, where)
    at = header.header_bytes + header.body_bytes
    protected, covered = _read_area(data, at, PROTECTED_MAGIC, PROTECTED, where)
    if covered - at != header.protected_bytes:
        raise _wrong(where, 10, f"{header.protected_bytes} bytes of protected TLVs, the area has {covered - at}")
    free, end = _read_area(data, covered, TLV_MAGIC, _UNPROTECTED, where)
    if not in_slot and end != len(data):
        raise _wrong(where, end, f"the image ends, {len(data) - end:,} more bytes follow")
    digest = hashlib.sha256(data[:covered]).digest()
    if _required(free, Tlv.SHA256, covered, where) != digest:
        raise _wrong(where, covered, f"SHA-256 {free[Tlv.SHA256][:8].hex()}…, its content has {digest[:8].hex()}…")
    if (Tlv.KEY_HASH in free) != (Tlv.ED25519 in free):
        raise _wrong(where, covered, "a signature without its key's hash, or the other way round")
    kind = _read_kind(_required(protected, Tlv.KIND, at, where), header, at, where)
    return Image(
        kind=kind,
        board=_read_board(_required(protected, Tlv.BOARD, at, where), at, where),
        contract=_required(protected, Tlv.CONTRACT, at, where),
        counter=struct.unpack("<I", _required(protected, Tlv.COUNTER, at, where))[0],
        load_address=header.load_address if kind is Kind.FIRMWARE else None,
        version=header.version,
        golden=Golden(*GOLDEN.unpack(protected[Tlv.GOLDEN])) if Tlv.GOLDEN in protected else None,
        digest=digest,
        key_hash=free.get(Tlv.KEY_HASH),
        signature=free.get(Tlv.ED25519),
        header_bytes=header.header_bytes,
        covered_bytes=covered,
        total_bytes=end,
        body=data[header.header_bytes : at],
    )


def _read_header(data: bytes, where: str) -> _Header:
    if len(data) < HEADER.size:
        raise _wrong(where, len(data), f"ends within the header of {HEADER.size} bytes")
    magic, load, header_bytes, protected, body, flags, *version, rest = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise _wrong(where, 0, f"magic 0x{magic:08x}, an image has 0x{MAGIC:08x}")
    if not HEADER.size <= header_bytes <= HEADER_MAX or header_bytes % 4:
        raise _wrong(where, 8, f"a header of {header_bytes} bytes, {HEADER.size} to {HEADER_MAX} in fours can be")
    if not 0 < body <= BODY_MAX or header_bytes + body > len(data):
        raise _wrong(where, 12, f"a body of {body:,} bytes in {len(data):,}")
    if flags not in (0, ROM_FIXED) or rest:
        raise _wrong(where, 16, f"flags 0x{flags:x} and rest 0x{rest:x}, none but 0x{ROM_FIXED:x} is known")
    return _Header(load, header_bytes, protected, body, flags, (version[0], version[1], version[2], version[3]))


def _read_area(data: bytes, at: int, magic: int, known: Collection[Tlv], where: str) -> tuple[dict[Tlv, bytes], int]:
    """The values of an area of TLVs, and where it ends."""
    if len(data) - at < AREA_HEAD.size:
        raise _wrong(where, at, "ends where TLVs begin")
    found, length = AREA_HEAD.unpack_from(data, at)
    if found != magic:
        raise _wrong(where, at, f"magic 0x{found:04x}, TLVs begin with 0x{magic:04x} here")
    if not AREA_HEAD.size <= length <= min(AREA_MAX, len(data) - at):
        raise _wrong(where, at + 2, f"{length:,} bytes of TLVs, {len(data) - at:,} are there, {AREA_MAX:,} can be")
    end = at + length
    at += AREA_HEAD.size
    values: dict[Tlv, bytes] = {}
    while at < end:
        at = _read_tlv(data, at, end, values, known, where)
    return values, end


def _read_tlv(data: bytes, at: int, end: int, values: dict[Tlv, bytes], known: Collection[Tlv], where: str) -> int:
    """Adds the TLV at an offset; returns the next one's. What nobody knows is refused: it would count for nothing."""
    if end - at < TLV_HEAD.size:
        raise _wrong(where, at, "TLVs end within a head")
    number, length = (int(value) for value in TLV_HEAD.unpack_from(data, at))
    if number not in known:
        raise _wrong(where, at, f"TLV 0x{number:04x} is not one that can stand here")
    tlv = Tlv(number)
    if tlv in values:
        raise _wrong(where, at, f"TLV 0x{number:04x} ({tlv.name}) stands twice")
    least, most = LENGTHS[tlv]
    start = at + TLV_HEAD.size
    if not least <= length <= min(most, end - start):
        raise _wrong(where, at + 2, f"TLV 0x{number:04x} ({tlv.name}) of {length} bytes, {least} to {most} can be")
    values[tlv] = data[start : start + length]
    return start + length


def _required(values: dict[Tlv, bytes], tlv: Tlv, at: int, where: str) -> bytes:
    if tlv not in values:
        raise _wrong(where, at, f"TLV 0x{tlv.value:04x} ({tlv.name}) is missing")
    return values[tlv]


def _read_kind(value: bytes, header: _Header, at: int, where: str) -> Kind:
    if value[0] not in list(Kind):
        raise _wrong(where, at, f"kind {value[0]}, 0 (firmware) and 1 (model) are known")
    kind = Kind(value[0])
    fixed = header.flags == ROM_FIXED
    if fixed != (kind is Kind.FIRMWARE) or (not fixed and header.load_address):
        load = f"flags {header.flags:#x} and address {header.load_address:#x}"
        raise _wrong(where, 4, f"a {kind.name.lower()} with {load}")
    return kind


def _read_board(value: bytes, at: int, where: str) -> str:
    if any(not 0x21 <= byte <= 0x7E for byte in value):
        raise _wrong(where, at, f"board {value!r} is no name")
    return value.decode("ascii")


def _wrong(where: str, offset: int, text: str) -> RemoteError:
    return RemoteError(f"{where}: not an image of ours: at byte {offset:,}: {text}")
