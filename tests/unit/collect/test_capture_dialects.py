"""Dialects: frames out of reports and lines, what is lost known, what is none counted and left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.collecting_device import ramp, samples_payload
from tinyops.collect.capture.block import Block
from tinyops.collect.capture.dialects.framed import HEAD, Framed
from tinyops.collect.capture.dialects.lines import Lines, numbers_of
from tinyops.collect.capture.dialects.recognise import Recogniser
from tinyops.collect.capture.dialects.samples import Pixels, Samples
from tinyops.link.client import BoardFault
from tinyops.link.codec import Frame, encode
from tinyops.link.protocol import DATA_MAX, REPLIES, Type

WIDTH = 3


def report(first: int, count: int, *, take: int = 1, clock_ms: int = 0, width: int = WIDTH) -> bytes:
    return encode(Frame(Type.SAMPLES, 0, samples_payload(take, first, ramp(first, count, width).tobytes(), clock_ms)))


def heard(dialect: Framed | Lines | Samples | Pixels, *chunks: bytes) -> list[Block]:
    return [block for n, chunk in enumerate(chunks) for block in dialect.feed(chunk, float(n))]


def framed(take: int | None = 1, width: int = WIDTH) -> Framed:
    dialect = Framed(width)
    dialect.begin(take)
    return dialect


def told(blocks: list[Block]) -> list[tuple[int, list[int]]]:
    """Of each block how many are lost before it, and the first values of its frames."""
    return [(b.lost, b.values[:, 0].tolist()) for b in blocks]


def test_the_heads_layout_is_the_links() -> None:
    assert HEAD.size == REPLIES[Type.SAMPLES].size
    assert HEAD.pack(1, 2, 3, 4) == REPLIES[Type.SAMPLES].pack(1, 2, 3, 4)


def test_reports_become_frames_wherever_they_are_cut() -> None:
    data = b"boot\r\n" + b"".join(report(n, 2, clock_ms=n * 10) for n in (0, 2, 4))
    for size in (1, 7, len(data)):
        dialect = framed()
        blocks = heard(dialect, *(data[at : at + size] for at in range(0, len(data), size)))
        assert np.array_equal(np.concatenate([b.values for b in blocks]), ramp(0, 6, WIDTH))
        assert (sum(b.lost for b in blocks), blocks[-1].clock_ms) == (0, 40)


def test_lost_reports_are_gaps() -> None:
    assert told(heard(framed(), report(2, 1) + report(3, 1) + report(7, 2))) == [(2, [2, 3]), (3, [7, 8])]


def test_what_comes_twice_is_recorded_once_and_what_comes_late_stays_a_gap() -> None:
    dialect = framed()
    blocks = heard(dialect, report(0, 2) + report(0, 2) + report(4, 2) + report(2, 2) + report(5, 2))
    assert told(blocks) == [(0, [0, 1]), (2, [4, 5, 6])]
    assert (dialect.tally.duplicates, dialect.tally.late) == (3, 2)


def test_reports_of_an_earlier_take_are_ignored() -> None:
    dialect = framed(take=2)
    assert told(heard(dialect, report(9, 1, take=1) + report(0, 1, take=2))) == [(0, [0])]
    assert dialect.tally.stale == 1


def test_the_frames_index_and_the_clock_wrap() -> None:
    dialect = framed(take=None)
    top = 2**32 - 1
    blocks = heard(dialect, report(top, 1, clock_ms=top - 9), report(0, 1, clock_ms=1), report(3, 1, clock_ms=31))
    assert [b.lost for b in blocks] == [0, 0, 2]
    assert [b.clock_ms for b in blocks] == [top - 9, top + 2, top + 32]


def test_who_joins_late_begins_with_the_frame_that_comes() -> None:
    assert told(heard(framed(take=None), report(500, 2))) == [(0, [500, 501])]


def pieces(frame: int, width: int, *, leave_out: int | None = None) -> bytes:
    values = ramp(frame, 1, width).tobytes()
    found = [(at, values[at : at + DATA_MAX]) for at in range(0, len(values), DATA_MAX)]
    return b"".join(
        encode(Frame(Type.SAMPLES, 0, samples_payload(1, frame, piece, 0, at // 2)))
        for n, (at, piece) in enumerate(found)
        if n != leave_out
    )


def test_large_frames_come_in_pieces_and_one_without_a_piece_is_lost() -> None:
    width = 300
    dialect = framed(width=width)
    blocks = heard(dialect, pieces(0, width) + pieces(1, width, leave_out=1) + pieces(2, width))
    assert told(blocks) == [(0, [0]), (1, [2])]
    assert np.array_equal(blocks[1].values, ramp(2, 1, width))
    assert dialect.tally.broken == 1


@pytest.mark.parametrize("payload", [b"", b"\1" * HEAD.size, HEAD.pack(1, 0, 0, 0) + b"\1\2\3"])
def test_reports_that_are_no_frames_are_counted(payload: bytes) -> None:
    dialect = framed()
    assert not heard(dialect, encode(Frame(Type.SAMPLES, 0, payload)))
    assert dialect.tally.broken == 1


def test_damaged_frames_are_counted_and_seen_as_a_gap() -> None:
    dialect = framed()
    damaged = bytearray(report(1, 1))
    damaged[8] ^= 0x55
    assert told(heard(dialect, report(0, 1) + bytes(damaged) + report(2, 1))) == [(0, [0]), (1, [2])]
    assert dialect.tally.bad_frames == 1


def test_a_crash_on_the_board_is_said() -> None:
    with pytest.raises(BoardFault, match="0x00000010"):
        heard(framed(), encode(Frame(Type.FAULT, 0, (16).to_bytes(4, "little") + bytes(8))))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=30), st.integers(1, 50))
def test_whatever_is_lost_frames_and_gaps_add_up(steps: list[tuple[int, int]], size: int) -> None:
    data, at, wanted = b"", 0, []
    for gap, count in steps:
        data += report(at + gap, count)
        wanted += range(at + gap, at + gap + count)
        at += gap + count
    blocks = heard(framed(), *(data[n : n + size] for n in range(0, len(data), size)))
    assert [v for b in blocks for v in b.values[:, 0].tolist()] == wanted
    assert sum(b.lost + len(b.values) for b in blocks) == at


@given(st.binary(max_size=600), st.binary(max_size=600))
def test_no_bytes_break_a_dialect(first: bytes, second: bytes) -> None:
    for dialect in (framed(), Lines(2, (0, 1), (1.0, 1.0)), Samples(3), Pixels(4, (1.0,))):
        for block in heard(dialect, first, second):
            assert np.isfinite(block.values).all()
    Recogniser(begun=False, datagrams=False).look(first + second)


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        (b"1,2.5,-3e2", [1, 2.5, -300]),
        (b" 1, 2 ,3 ", [1, 2, 3]),
        (b"1;2;3", [1, 2, 3]),
        (b"1\t2\t3", [1, 2, 3]),
        (b"1 2  3", [1, 2, 3]),
        (b"1,2,3,", [1, 2, 3]),
        (b"7", [7]),
        (b"ax,ay,az", None),
        (b"1,,3", None),
        (b"1_0,2", None),
        (b"0x10", None),
        (b"\xff\xfe,1", None),
        (b",", None),
    ],
)
def test_numbers_of_a_line(line: bytes, numbers: list[float] | None) -> None:
    assert numbers_of(line) == numbers


def lines(**changes: bool) -> Lines:
    dialect = Lines(3, (0, 1, 2), (1.0, 1.0, 1.0), **changes)
    dialect.begin(None)
    return dialect


def test_the_first_line_whose_beginning_was_never_seen_is_no_frame() -> None:
    assert told(heard(lines(), b"2.5,3,4\r\n1,2,3\r\n4,", b"5,6\r\n")) == [(0, [1]), (0, [4])]
    assert told(heard(lines(begun=True), b"2.5,3,4\n")) == [(0, [2.5])]


def test_noise_is_skipped_and_broken_lines_within_a_take_are_gaps() -> None:
    dialect = lines(begun=True)
    blocks = heard(dialect, b"hello\n1,2\n1,2,3\n\nboot\n4,5\n7,8,9\nnan,1,2\n5,5,inf\n6,6,6\n")
    assert told(blocks) == [(0, [1]), (1, [7]), (2, [6])]
    assert (dialect.tally.noise, dialect.tally.broken, dialect.tally.not_finite) == (2, 2, 2)
    assert len(list(dialect.tally.lines())) == 3


def test_columns_and_scale() -> None:
    dialect = Lines(4, (3, 1), (0.5, 10.0), begun=True)
    (block,) = heard(dialect, b"0,1,2,3\n")
    assert block.values.tolist() == [[1.5, 10.0]]
    assert block.values.dtype == np.float32


def test_values_beyond_what_is_stored_stay_numbers() -> None:
    (block,) = heard(Lines(1, (0,), (1.0,), begun=True), b"1e300\n")
    assert np.isfinite(block.values).all()


def test_a_line_without_an_end_is_bounded() -> None:
    dialect = lines(begun=True)
    heard(dialect, *([b"1" * 5000] * 3))
    assert len(dialect._pending) <= 5000
    assert told(heard(dialect, b"\n1,2,3\n")) == [(0, [1])]


def test_each_datagram_ends_a_line() -> None:
    assert told(heard(lines(begun=True, ended=True), b"1,2,3", b"4,5,6\n")) == [(0, [1]), (0, [4])]


def test_samples_and_pixels_wait_for_whole_frames() -> None:
    assert [b.values.tolist() for b in heard(Samples(2), b"\1\0\2", b"\0\3\0\4\0")] == [[[1, 2], [3, 4]]]
    dialect = Pixels(4, (2.0,))
    assert [b.values.tolist() for b in heard(dialect, b"\0\x80\xff", b"\0\1")] == [[[0, 16448, 32767, 0]]]


@pytest.mark.parametrize(
    ("data", "found", "width"),
    [
        (b"junk\x00\xff" + encode(Frame(0x81, 1, b"\0")), "framed", 0),
        (b"5,3\r\n1,2,3\r\n4,5,6\r\n7,8,9\r\n", "lines", 3),
        (b"booting\nWiFi ok\n1 2\n3 4\n5 6\n", "lines", 2),
        (b"1,2,3\n4,5,6\n", "", 0),
        (b"\x80\xfe\x13\n" * 40, "", 0),
    ],
)
def test_dialects_are_told_apart(data: bytes, found: str, width: int) -> None:
    looked = Recogniser(begun=False, datagrams=False)
    for at in range(0, len(data), 5):
        looked.look(data[at : at + 5])
    assert (looked.found, looked.width) == (found, width)


def test_at_the_end_of_a_file_one_line_is_enough() -> None:
    looked = Recogniser(begun=True, datagrams=False)
    looked.look(b"1,2,3")
    looked.look(b"", ended=True)
    assert (looked.found, looked.width) == ("lines", 3)
