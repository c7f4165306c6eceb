"""Frames between parts of a chain: as Python reads and writes them, and as C has their numbers."""

from __future__ import annotations

from binascii import crc32
from pathlib import Path

import pytest

from tinyops import link
from tinyops.link.codec import Decoder, Frame, encode
from tinyops.link.parts import (
    MESSAGE_MAX,
    NO_PART,
    PART_LAYOUTS,
    PIECES_MAX,
    STATE_TEXT,
    PartState,
    PartTold,
    PartType,
    Unavailable,
    message_crc,
    missing_ranges,
    pieces,
)
from tinyops.link.protocol import DATA_MAX, PAYLOAD_MAX, REPLY, Type

HEADER = Path(link.__file__).parents[1] / "runtime/include/tinyops/part_link.h"
SET = bytes(range(16))


def test_the_committed_header_is_the_emitted_one() -> None:
    assert HEADER.read_text() == link.part_header()


def test_no_type_is_another_frames_and_every_payload_fits() -> None:
    others = {int(kind) for kind in Type} | {int(kind) | REPLY for kind in Type}
    assert not {int(kind) for kind in PartType} & others
    assert set(PART_LAYOUTS) == set(PartType) and set(STATE_TEXT) == set(PartState)
    assert all(layout.size + layout.tail_max <= PAYLOAD_MAX for layout in PART_LAYOUTS.values())


@pytest.mark.parametrize("count", [1, 255, 256, 257, 1152, 10_240, MESSAGE_MAX])
def test_a_message_comes_whole_out_of_its_pieces(count: int) -> None:
    message = bytes(i * 7 % 256 for i in range(count))
    found, data = Decoder(), b""
    for number, frame in enumerate(pieces(SET, 0x1234, message)):
        (read,) = found.feed(encode(frame))
        (index,), tail = PART_LAYOUTS[PartType.PIECE].unpack(read.payload)
        assert (read.type, read.sequence, index) == (PartType.PIECE, 0x34, number)
        data += tail
    assert data[:-4] == message and number == (count - 1) // DATA_MAX < PIECES_MAX
    assert data[-4:] == crc32(SET + b"\x34\x12\0\0" + message).to_bytes(4, "little")


def test_the_crc_tells_sets_and_inferences_apart() -> None:
    sums = {message_crc(members, number, b"one") for members in (SET, bytes(16)) for number in (1, 257, 2)}
    assert len(sums) == 6


@pytest.mark.parametrize("count", [0, MESSAGE_MAX + 1])
def test_what_is_no_message_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="a message of"):
        list(pieces(SET, 1, bytes(count)))


def test_missing_names_ranges_and_none_says_whole() -> None:
    assert missing_ranges(b"") == []
    assert missing_ranges(b"\x01\0\x03\0\x07\0\x01\0") == [(1, 3), (7, 1)]
    for wrong in (b"\1", b"\1\2\3\4\5", bytes(68)):
        with pytest.raises(ValueError, match="bytes"):
            missing_ranges(wrong)


def test_what_a_part_tells_is_read_as_written() -> None:
    told = PartTold(1, 2, 3, PartState.LOST, 1, -16, 77, SET, bytes(16), SET, bytes(16), SET, 1)
    frame = told.frame(5)
    assert frame == Frame(PartType.STATE, 5, frame.payload) and PartTold.read(frame.payload) == told
    with pytest.raises(ValueError, match="payload of 90 bytes"):
        PartTold.read(frame.payload[:-1])


def test_unavailable_names_the_part_and_why() -> None:
    found = Unavailable.read(b"\x05\0\0\0\x01\x02")
    assert found == Unavailable(5, 1, PartState.LOST)
    assert found.describe(("wrist", "hub")) == "hub does not answer within the time limit"
    assert Unavailable(5, 3, 99).describe(("wrist",)) == "part 3: state 99, unknown to this version of tinyops"
    assert Unavailable(5, NO_PART, PartState.STARTING).describe().startswith("part 255 has just started")
