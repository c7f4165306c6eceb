"""A chain that is asked as one board: inputs go to the first part, answers and refusals come from the last."""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tinyops.errors import UsageError
from tinyops.link import Decoder, Frame, Link, LinkTimeout, Tensor, Type, encode
from tinyops.link.parts import NO_PART, PART_LAYOUTS, PartState, PartTold, PartType
from tinyops.link.protocol import REPLIES, REPLY
from tinyops.twin.chained import ChainLink, NotAvailable, RunningChain, RunningPart

SET = bytes(range(16))


class MemoryPart:
    """A part behind a ByteStream that answers requests; a test says what else it tells."""

    def __init__(self, rows: int = 1) -> None:
        self.line, self.decoder, self.rows = bytearray(), Decoder(), rows
        self.asked: list[int] = []
        self.after_invoke: Callable[[], None] = lambda: None
        self.number = 4  # of the newest inference begun; tells it whenever it is read
        self.tells = False

    def read(self, timeout_s: float) -> bytes:
        if self.tells and not self.line:
            self.tell_state(PartState.READY)
        data, self.line = bytes(self.line), bytearray()
        return data

    def write(self, data: bytes, timeout_s: float) -> None:
        for frame in self.decoder.feed(data):
            self.asked.append(frame.type)
            self.line += encode(Frame(frame.type | REPLY, frame.sequence, self.answer(frame.type)))
            if frame.type == Type.INVOKE:
                self.after_invoke()

    def answer(self, kind: int) -> bytes:
        hello = (1, 0, 1, bytes(32), bytes(32), 9, 9, 100, 50, 4, 2, 0, 0, 0)
        if kind == Type.HELLO:
            window = (4, self.rows) if self.rows > 1 else (0, 0)
            return REPLIES[Type.HELLO].pack(*hello[:11], window[0], window[1], 0, tail=b"board")
        if kind == Type.INVOKE:
            return struct.pack("<II", 7, 1)
        return b"\1\2" if kind == Type.TENSOR_READ else b""

    def tell(self, kind: int, payload: bytes) -> None:
        self.line += encode(Frame(kind, 0, payload))

    def tell_result(self, values: bytes = b"\1\2", number: int = 5) -> None:
        self.tell(Type.RESULT, REPLIES[Type.RESULT].pack(number, 7, 1, 2, tail=values))

    def tell_unavailable(self, part: int, state: PartState, number: int = 0) -> None:
        self.tell(PartType.UNAVAILABLE, PART_LAYOUTS[PartType.UNAVAILABLE].pack(number, part, state))

    def tell_state(self, state: PartState, part: int = NO_PART) -> None:
        told = PartTold(1, 1, 2, state, part, 0, self.number, SET, bytes(16), SET, SET)
        self.tell(PartType.STATE, told.frame().payload)


def chain_of(first: MemoryPart, last: MemoryPart) -> tuple[ChainLink, tuple[RunningPart, ...]]:
    first.tells = True
    own = cast(Any, SimpleNamespace(link=Link(last, name="brain", timeout_s=0.1)))
    parts = (
        RunningPart("eye", cast(Any, SimpleNamespace()), Link(first, name="eye", timeout_s=0.1)),
        RunningPart("brain", own, None),
    )
    return ChainLink(parts), parts


@pytest.fixture
def parts() -> tuple[MemoryPart, MemoryPart]:
    return MemoryPart(), MemoryPart()


def test_an_inference_goes_in_at_the_first_part_and_out_at_the_last(parts: tuple[MemoryPart, MemoryPart]) -> None:
    first, last = parts
    chain, _ = chain_of(first, last)
    first.after_invoke = last.tell_result
    chain.write_input(b"\0\0\0\0")
    assert chain.invoke(1.0).ticks == 7
    assert chain.read_tensor(Tensor.OUTPUT, 2) == b"\1\2"
    assert first.asked == [Type.TENSOR_WRITE, Type.INVOKE]
    assert last.asked == [Type.TENSOR_READ]


def test_what_is_not_available_is_said_with_the_parts_name(parts: tuple[MemoryPart, MemoryPart]) -> None:
    first, last = parts
    chain, _ = chain_of(first, last)
    first.after_invoke = lambda: last.tell_unavailable(0, PartState.LOST)
    with pytest.raises(NotAvailable, match="eye does not answer within the time limit") as caught:
        chain.invoke(1.0)
    assert (caught.value.part, caught.value.state) == ("eye", PartState.LOST)


def test_who_is_patient_waits_for_an_answer_past_words_on_earlier_inferences(
    parts: tuple[MemoryPart, MemoryPart],
) -> None:
    first, last = parts
    chain, _ = chain_of(first, last)
    chain.patience_s = 5.0

    def late() -> None:
        last.tell_unavailable(0, PartState.LOST, number=4)  # it computes, and is silent for too long
        last.tell_result()

    first.after_invoke = late
    assert chain.invoke(1.0).ticks == 7
    first.after_invoke = lambda: last.tell_unavailable(0, PartState.FAILED, number=6)
    with pytest.raises(NotAvailable):
        chain.invoke(1.0)
    first.number, chain.patience_s = 6, 0.0
    first.after_invoke = lambda: last.tell_unavailable(0, PartState.LOST, number=6)
    with pytest.raises(NotAvailable):
        chain.invoke(1.0)


def test_an_answer_to_an_earlier_inference_is_none_to_this_one(parts: tuple[MemoryPart, MemoryPart]) -> None:
    first, last = parts
    chain, _ = chain_of(first, last)
    last.tell_result(b"\3\4")
    last.tell_unavailable(1, PartState.FAILED)
    with pytest.raises(LinkTimeout):
        chain.invoke(0.05)


def test_a_late_answer_to_what_was_given_up_is_not_this_ones(parts: tuple[MemoryPart, MemoryPart]) -> None:
    first, last = parts
    chain, _ = chain_of(first, last)
    first.after_invoke = lambda: last.tell_unavailable(0, PartState.LOST)
    with pytest.raises(NotAvailable):
        chain.invoke(1.0)
    first.number = 5  # that one

    def late() -> None:
        last.tell_result(b"\3\4", number=5)
        last.tell_result(number=6)

    first.after_invoke = late
    chain.invoke(1.0)
    assert chain._begun == 6  # and so its outputs are those


def test_numbers_begin_again_after_the_last(parts: tuple[MemoryPart, MemoryPart]) -> None:
    first, last = parts
    chain, _ = chain_of(first, last)
    first.number = 2**32 - 1
    first.after_invoke = lambda: last.tell_result(number=0)
    chain.invoke(1.0)


def test_rows_of_one_input_make_one_answer() -> None:
    first, last = MemoryPart(rows=3), MemoryPart()
    chain, _ = chain_of(first, last)
    assert chain.hello().input_rows == 3
    chain.invoke(0.05)
    chain.invoke(0.05)
    assert chain._begun == 4  # nothing yet
    first.after_invoke = last.tell_result
    chain.invoke(0.05)


def test_a_chain_is_ready_when_its_last_part_says_so_of_all(parts: tuple[MemoryPart, MemoryPart]) -> None:
    first, last = parts
    chain, _ = chain_of(first, last)
    last.tell_state(PartState.STARTING, 0)
    with pytest.raises(NotAvailable, match="eye has just started"):
        chain.wait_ready(0.05)
    with pytest.raises(NotAvailable, match="brain does not answer"):
        chain.wait_ready(0.05)
    last.tell_state(PartState.READY)
    chain.wait_ready(1.0)


def test_a_part_is_found_by_its_name_and_no_other(parts: tuple[MemoryPart, MemoryPart]) -> None:
    chain = RunningChain("bell", chain_of(*parts)[1], ())
    assert chain.part("brain").name == "brain"
    with pytest.raises(UsageError, match="no part 'ear'"):
        chain.part("ear")
