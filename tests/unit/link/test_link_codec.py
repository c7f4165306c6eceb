"""Frames to bytes and back, on a line that may carry anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyops.link import PAYLOAD_MAX, Decoder, Frame, encode
from tinyops.link.codec import crc16
from tinyops.link.protocol import ENCODED_MAX

frames = st.builds(Frame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=PAYLOAD_MAX))


def test_the_crc_is_ccitt_false() -> None:
    assert crc16(b"123456789") == 0x29B1


def test_a_frame_on_the_line_is_what_the_protocol_says() -> None:
    assert encode(Frame(1, 0, b"")) == bytes.fromhex("00 02 01 03") + crc16(b"\1\0").to_bytes(2, "little") + b"\0"


@pytest.mark.parametrize("length", [0, 1, 250, 251, 252, 253, 254, 255, PAYLOAD_MAX])
@pytest.mark.parametrize("fill", [b"\0", b"\1", b"\xff"])
def test_lengths_around_a_run_of_254_survive(length: int, fill: bytes) -> None:
    frame = Frame(5, 9, fill * length)
    line = encode(frame)
    assert line.count(b"\0") == 2 and len(line) <= ENCODED_MAX + 2
    assert list(Decoder().feed(line)) == [frame]


def test_a_payload_beyond_the_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than"):
        encode(Frame(1, 1, bytes(PAYLOAD_MAX + 1)))


@given(st.lists(frames, max_size=4), st.lists(st.integers(1, 40), min_size=1))
def test_frames_survive_any_cut_of_the_stream(sent: list[Frame], cuts: list[int]) -> None:
    line, decoder, got, at = b"".join(map(encode, sent)), Decoder(), [], 0
    for index in range(len(line)):
        step = cuts[index % len(cuts)]
        got += decoder.feed(line[at : at + step])
        at += step
    assert got == sent and decoder.bad_frames == 0


@given(frames, st.data())
def test_a_flipped_bit_never_passes_unseen(frame: Frame, data: st.DataObject) -> None:
    line = bytearray(encode(frame))
    at = data.draw(st.integers(1, len(line) - 2))
    line[at] ^= 1 << data.draw(st.integers(0, 7))
    assert frame not in list(Decoder().feed(bytes(line)))


@given(st.binary(max_size=2000))
def test_garbage_is_dropped_counted_and_bounded(garbage: bytes) -> None:
    decoder, frame = Decoder(), Frame(1, 2, b"after")
    assert list(decoder.feed(garbage + b"\0" + encode(frame)))[-1:] == [frame]
    pieces = [piece for piece in garbage.split(b"\0") if piece]
    assert decoder.bad_frames <= len(pieces)
    assert len(decoder._pending) <= ENCODED_MAX


def test_an_endless_run_without_delimiter_counts_once_and_is_not_kept() -> None:
    decoder = Decoder()
    for _ in range(50):
        assert list(decoder.feed(b"\x55" * 100)) == []
        assert len(decoder._pending) <= ENCODED_MAX
    assert list(decoder.feed(b"\0" + encode(Frame(1, 1, b"")))) == [Frame(1, 1, b"")]
    assert decoder.bad_frames == 1


def test_lines_of_an_smp_console_share_the_line() -> None:
    decoder, frame = Decoder(), Frame(0x81, 7, b"x")
    line = b"\x06\x09AAsAAAABAAAAAA==\n" + encode(frame) + b"\x06\x09AAsAAA==\n"
    assert list(decoder.feed(line)) == [frame]
