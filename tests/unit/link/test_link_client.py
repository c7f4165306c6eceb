"""The host's end against a small board in memory that speaks the real protocol."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from tinyops.link import (
    BoardFault,
    Cycles,
    Decoder,
    Frame,
    Link,
    LinkError,
    LinkTimeout,
    Refused,
    Status,
    Tensor,
    Timing,
    Type,
    describe_status,
    encode,
)
from tinyops.link.protocol import REPLIES, REPLY, REQUESTS


class MemoryBoard:
    """A board behind a ByteStream: tensors of 600 bytes, an inference every second frame of 200 values."""

    def __init__(self) -> None:
        self.decoder = Decoder()
        self.line = bytearray()
        self.input = bytearray(600)
        self.frames: list[int] = []
        self.results = 0
        self.before: Callable[[Frame], bytes] = lambda frame: b""
        self.silent = False
        self.more: dict[Type, Callable[[bytes], bytes]] = {}

    def read(self, timeout_s: float) -> bytes:
        data, self.line = bytes(self.line[:7]), self.line[7:]
        return data

    def write(self, data: bytes, timeout_s: float) -> None:
        for frame in self.decoder.feed(data):
            self.line += self.before(frame)
            if not self.silent:
                self.line += self.answer(frame)

    def answer(self, frame: Frame) -> bytes:
        serve = {
            Type.TENSOR_WRITE: self.take_tensor,
            Type.TENSOR_READ: self.give_tensor,
            Type.SAMPLE: self.take_sample,
            Type.INVOKE: lambda payload: struct.pack("<II", 1234, 16_000_000),
            Type.STATS: lambda payload: struct.pack("<5I", 1, 2, 3, 4, 5),
            Type.RESET_STATE: lambda payload: b"",
            **self.more,
        }
        if frame.type not in serve:
            return encode(Frame(Type.ERROR, frame.sequence, struct.pack("b", Status.TYPE)))
        return encode(Frame(frame.type | REPLY, frame.sequence, serve[Type(frame.type)](frame.payload)))

    def take_tensor(self, payload: bytes) -> bytes:
        (offset,), data = REQUESTS[Type.TENSOR_WRITE].unpack(payload)
        self.input[offset : offset + len(data)] = data
        return b""

    def give_tensor(self, payload: bytes) -> bytes:
        (_, offset, count), _ = REQUESTS[Type.TENSOR_READ].unpack(payload)
        return bytes(self.input[offset : offset + count])

    def take_sample(self, payload: bytes) -> bytes:
        (first,), data = REQUESTS[Type.SAMPLE].unpack(payload)
        assert first == len(self.frames) % 200
        self.frames += struct.unpack(f"<{len(data) // 2}h", data)
        if len(self.frames) % 400:
            return b"\0"
        result = REPLIES[Type.RESULT].pack(self.results, 77, 1, 2, tail=b"\x81\x7f")
        self.line += encode(Frame(Type.RESULT, self.results, result))
        self.results += 1
        return b"\1"


@pytest.fixture
def board() -> MemoryBoard:
    return MemoryBoard()


@pytest.fixture
def link(board: MemoryBoard) -> Link:
    return Link(board, name="desk", timeout_s=0.05)


def test_tensors_larger_than_a_frame_travel_in_pieces(link: Link, board: MemoryBoard) -> None:
    data = bytes(i % 251 for i in range(600))
    link.write_input(data)
    assert bytes(board.input) == data
    assert link.read_tensor(Tensor.INPUT, 600) == data


def test_frames_larger_than_a_frame_travel_in_pieces_and_results_come_back(link: Link, board: MemoryBoard) -> None:
    frame = list(range(-100, 100))
    assert link.sample(frame) is None
    result = link.sample(frame)
    assert result is not None
    assert (result.index, result.best, result.ticks, result.values) == (0, 1, 77, b"\x81\x7f")
    assert board.frames == frame * 2


def test_cycles_are_told_by_firmware_that_knows_the_question(link: Link, board: MemoryBoard) -> None:
    assert link.cycles() is None  # this one does not: it answers as it always did
    assert link.invoke() == Timing(1234, 16_000_000)
    board.more[Type.CYCLES] = lambda payload: struct.pack("<IBB", 1200, 24, 1)
    assert link.cycles() == Cycles(1200, 24, True)


def test_a_request_that_fails_otherwise_is_no_absent_counter(link: Link, board: MemoryBoard) -> None:
    board.before = lambda frame: encode(Frame(Type.ERROR, frame.sequence, struct.pack("b", Status.ARENA)))
    with pytest.raises(Refused, match="refused CYCLES: the arena is missing"):
        link.cycles()


def test_refusals_carry_the_status_and_a_sentence(link: Link) -> None:
    with pytest.raises(Refused, match="desk: refused HELLO: the request's type is not known") as refused:
        link.hello()
    assert refused.value.status == Status.TYPE
    assert describe_status(-99) == "status -99, unknown to this version of tinyops"


def test_late_answers_and_garbage_are_passed_over(link: Link, board: MemoryBoard) -> None:
    late = encode(Frame(Type.STATS | REPLY, 200, bytes(20)))
    board.before = lambda frame: b"boot\r\n" + late + b"\0\xff\xff\0"
    assert link.stats().bad_frames == 5
    assert link.decoder.bad_frames == 2


def test_silence_ends_at_the_time_limit(link: Link, board: MemoryBoard) -> None:
    board.silent = True
    with pytest.raises(LinkTimeout, match="desk: no answer to INVOKE"):
        link.invoke()


def test_a_crash_is_reported_with_its_place(link: Link, board: MemoryBoard) -> None:
    board.before = lambda frame: encode(Frame(Type.FAULT, 0, struct.pack("<3I", 0x1234, 0x5678, 0)))
    with pytest.raises(BoardFault, match="0x00001234") as fault:
        link.invoke()
    assert (fault.value.pc, fault.value.lr) == (0x1234, 0x5678)


@pytest.mark.parametrize("length", [0, 19, 21, 200])
def test_answers_of_a_wrong_length_are_refused(link: Link, board: MemoryBoard, length: int) -> None:
    board.answer = lambda frame: encode(Frame(frame.type | REPLY, frame.sequence, bytes(length)))  # type: ignore[method-assign]
    with pytest.raises(LinkError, match=f"answered STATS with a payload of {length} bytes"):
        link.stats()


def test_a_board_that_sends_too_little_of_a_tensor_is_refused(link: Link, board: MemoryBoard) -> None:
    board.input = board.input[:10]
    with pytest.raises(LinkError, match="sent 10 bytes of a tensor where 20"):
        link.read_tensor(Tensor.INPUT, 20)


def test_a_promised_result_that_never_came_is_an_error(link: Link, board: MemoryBoard) -> None:
    board.answer = lambda frame: encode(Frame(frame.type | REPLY, frame.sequence, b"\1"))  # type: ignore[method-assign]
    with pytest.raises(LinkError, match="sent no result"):
        link.sample([1])


def test_a_flood_of_reports_is_bounded(link: Link, board: MemoryBoard) -> None:
    report = encode(Frame(Type.RESULT, 0, REPLIES[Type.RESULT].pack(0, 0, 0, 0)))
    board.before = lambda frame: report * (Link.RESULTS_MAX + 10)
    link.timeout_s = 10
    link.stats()
    assert len(link._results) == Link.RESULTS_MAX


def test_frames_of_whoever_shares_the_line_are_told_and_disturb_no_answer() -> None:
    board, told = MemoryBoard(), list[Frame]()
    link = Link(board, name="b")
    link.told = told.append
    board.before = lambda _: encode(Frame(0x47, 9, b"other"))
    assert link.stats().bad_frames == 5
    assert told == [Frame(0x47, 9, b"other")]


def test_whoever_listens_hears_reports_and_others_one_at_a_time() -> None:
    board, told = MemoryBoard(), list[Frame]()
    link = Link(board, name="b")
    link.told = told.append
    report = REPLIES[Type.RESULT].pack(4, 0, 1, 2, tail=b"ab")
    board.line += encode(Frame(Type.RESULT, 0, report)) + encode(Frame(0x44, 0, b""))
    assert link.listen(1.0)
    assert ([r.values for r in link.results()], told) == ([b"ab"], [])
    assert link.listen(1.0)
    assert (link.results(), told) == ([], [Frame(0x44, 0, b"")])
    assert not link.listen(0.0)
