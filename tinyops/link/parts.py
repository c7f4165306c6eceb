"""Frames between the parts of a chain: they share a part's line with the link, whose framing they have.

A part's line, to its host, is its link to the next part, which is its host as far as the link goes. The tensors of one
inference that cross a cut are one message: their bytes in the order of part.json, without gaps. It goes downstream in
pieces of DATA_MAX bytes, PIECE by PIECE; the frame's sequence number is the inference's, modulo 256, and the last piece
ends with the CRC-32 of set, inference number (32 bits) and message. So what belongs to another inference, or to the
parts of another model, is never taken, whatever the line does.

The part after answers with MISSING of the same sequence number: which pieces are to come again; none of them says that
the message is whole and that it takes the next one. A part that computes is silent, and is not asked meanwhile: what it
tells of itself afterwards, in PART_STATE, says with its sequence number and the newest inference which message it took
last, so that an answer that was lost is known without a question. A sender whose receiver speaks on of others asks with
a PIECE without data. Messages that do not get through within the chain's time limit are given up: UNAVAILABLE goes
downstream instead.

PART_STATE goes both ways, on change and at least once a second. Nothing is computed or sent before both ends have told
the same version, number of parts and set, and places next to each other. What it says of sets: `offered` is the set
that every part from the first to this one runs or holds ready, `also` another one, `committed` the set that the last
part runs, passed upstream; see tinyops/link/part_sets.py. A state is about what lies beyond the part that says it, seen
from the listener, and the part itself.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from enum import IntEnum

from tinyops.link.codec import Frame
from tinyops.link.protocol import DATA_MAX, Field, Layout

PARTS_VERSION = 1
PIECES_MAX = 512  # in a message
MESSAGE_MAX = PIECES_MAX * DATA_MAX
RANGES_MAX = 16  # in a MISSING
SET_BYTES = 16
NO_SET = bytes(SET_BYTES)
NO_PART = 0xFF


class PartType(IntEnum):
    """Frame types between parts; see tinyops/link/protocol.py for the others."""

    STATE = 0x44
    PIECE = 0x45
    MISSING = 0x46
    UNAVAILABLE = 0x47


class PartState(IntEnum):
    """How far a part can be counted on, and why there is no answer."""

    READY = 0
    STARTING = 1
    LOST = 2
    MIXED = 3
    IMAGE = 4
    STALLED = 5
    FAILED = 6
    OTHER = 7
    BUSY = 8


STATE_TEXT: dict[PartState, str] = {
    PartState.READY: "answers",
    PartState.STARTING: "has just started, and its neighbours have not told yet who they are",
    PartState.LOST: "does not answer within the time limit",
    PartState.MIXED: "runs a part of another set than its neighbour",
    PartState.IMAGE: "has no model image that can run in its place",
    PartState.STALLED: "was sent a tensor that did not get through within the time limit",
    PartState.FAILED: "has a model that fails",
    PartState.OTHER: "is not where it belongs: another place, another number of parts, another version",
    PartState.BUSY: "is still at the inference before",
}

PART_LAYOUTS: dict[PartType, Layout] = {
    PartType.STATE: Layout(
        (
            Field("version", "B", "of these frames"),
            Field("position", "B", "of this part in its chain, from 0"),
            Field("parts", "B", "of the chain"),
            Field("state", "B", "as seen from the listener: of this part and of all beyond it; see PartState"),
            Field("part", "B", "the part that this is about; 255: none"),
            Field("status", "b", "of the model slot, as in HELLO"),
            Field("number", "I", "of the newest inference that this part has begun, modulo 2^32"),
            Field("running", f"{SET_BYTES}s", "set that it runs; zeros: none"),
            Field("spare", f"{SET_BYTES}s", "set that it has proven and holds ready; zeros: none"),
            Field("offered", f"{SET_BYTES}s", "set that every part from the first to this one runs or holds ready"),
            Field("committed", f"{SET_BYTES}s", "set that the last part runs, as the parts after this one tell"),
            Field("also", f"{SET_BYTES}s", "another one that they could all run, less wanted than `offered`"),
            Field("wished", "B", "1: the first part was asked to run `offered`"),
        )
    ),
    PartType.PIECE: Layout(
        (Field("index", "H", "of the piece in its message"),),
        DATA_MAX + 4,
        "the bytes, behind the last ones the CRC-32; none: is the message whole?",
    ),
    PartType.MISSING: Layout((), 4 * RANGES_MAX, "first piece and count, 16 bits each, of every range; none: whole"),
    PartType.UNAVAILABLE: Layout(
        (
            Field("number", "I", "of the inference that has no result"),
            Field("part", "B", "the part that this is about; 255: none"),
            Field("state", "B", "why; see PartState"),
        )
    ),
}


@dataclass(frozen=True)
class PartTold:
    """What a PART_STATE says; see PART_LAYOUTS."""

    version: int
    position: int
    parts: int
    state: int
    part: int
    status: int
    number: int
    running: bytes
    spare: bytes
    offered: bytes
    committed: bytes
    also: bytes = NO_SET
    wished: int = 0

    @staticmethod
    def read(payload: bytes) -> PartTold:
        """Raises ValueError."""
        return PartTold(*PART_LAYOUTS[PartType.STATE].unpack(payload)[0])  # type: ignore[arg-type]

    def frame(self, sequence: int = 0) -> Frame:
        return Frame(PartType.STATE, sequence, PART_LAYOUTS[PartType.STATE].pack(*astuple(self)))


@dataclass(frozen=True)
class Unavailable:
    """An inference without a result: which part it is about, and why."""

    number: int
    part: int
    state: int

    @staticmethod
    def read(payload: bytes) -> Unavailable:
        """Raises ValueError."""
        return Unavailable(*PART_LAYOUTS[PartType.UNAVAILABLE].unpack(payload)[0])  # type: ignore[arg-type]

    def describe(self, names: Sequence[str] = ()) -> str:
        """A sentence, with the part's name where the chain's are given."""
        name = names[self.part] if self.part < len(names) else f"part {self.part}"
        try:
            return f"{name} {STATE_TEXT[PartState(self.state)]}"
        except ValueError:
            return f"{name}: state {self.state}, unknown to this version of tinyops"


def message_crc(members: bytes, number: int, message: bytes) -> int:
    """The CRC-32 that the last piece of a message ends with; `members` is the set."""
    return binascii.crc32(message, binascii.crc32(members + struct.pack("<I", number % 2**32)))


def pieces(members: bytes, number: int, message: bytes) -> Iterator[Frame]:
    """The frames of a message. Raises ValueError for one that is too long or empty."""
    if not 0 < len(message) <= MESSAGE_MAX:
        raise ValueError(f"a message of {len(message):,} bytes, 1 to {MESSAGE_MAX:,} are possible")
    ends = struct.pack("<I", message_crc(members, number, message))
    last = (len(message) - 1) // DATA_MAX
    for index in range(last + 1):
        data = message[index * DATA_MAX : (index + 1) * DATA_MAX] + (ends if index == last else b"")
        yield Frame(PartType.PIECE, number % 256, PART_LAYOUTS[PartType.PIECE].pack(index, tail=data))


def missing_ranges(payload: bytes) -> list[tuple[int, int]]:
    """What a MISSING asks for: (first piece, count). Raises ValueError."""
    _, tail = PART_LAYOUTS[PartType.MISSING].unpack(payload)
    if len(tail) % 4:
        raise ValueError(f"ranges of {len(tail)} bytes")
    return [(first, count) for first, count in struct.iter_unpack("<HH", tail)]
