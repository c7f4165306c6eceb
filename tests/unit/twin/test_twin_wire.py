"""One way of a link between virtual boards: rate, latency and faults on a clock of the test's own."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyops.link import Decoder, Frame, encode
from tinyops.twin.wire import AHEAD_S, UNIT_MAX, Cutter, Terms, Wire, frame_type

FRAMES = [encode(Frame(0x50, n, bytes((n, 0, n ^ 0xFF)) * (n % 7))) for n in range(200)]
SMP = b"\x06\x09AAkAAQ==\n"


def carried(terms: Terms, frames: list[bytes] = FRAMES, seed: int = 0) -> bytes:
    wire = Wire(terms, seed)
    for frame in frames:
        wire.send(frame, 0.0)
    return wire.receive(1e9)


def sequences(data: bytes) -> list[int]:
    return [frame.sequence for frame in Decoder().feed(data)]


def test_a_wire_without_faults_changes_nothing() -> None:
    assert carried(Terms()) == b"".join(FRAMES)


@given(st.lists(st.integers(1, 40), max_size=60))
def test_frames_are_found_however_the_bytes_come(pieces: list[int]) -> None:
    stream, cutter, found = FRAMES[3] + SMP + FRAMES[4] + SMP + SMP + FRAMES[5], Cutter(), []
    for size in [*pieces, len(stream)]:
        found += cutter.feed(stream[:size])
        stream = stream[size:]
    assert found == [FRAMES[3], SMP, FRAMES[4], SMP, SMP, FRAMES[5]]


def test_a_newline_in_a_frame_ends_nothing() -> None:
    frame = encode(Frame(0x50, 10, b"\n\n\n"))
    assert list(Cutter().feed(frame)) == [frame]


def test_noise_without_an_end_is_passed_on_in_pieces() -> None:
    noise = b"\x55" * (3 * UNIT_MAX)
    assert [len(piece) for piece in Cutter().feed(noise)] == [UNIT_MAX] * 3


def test_each_byte_takes_its_time() -> None:
    wire = Wire(Terms(bytes_s=100, latency_s=2.0))
    wire.send(FRAMES[1], 10.0)
    wire.send(FRAMES[2], 10.0)
    first = 10.0 + len(FRAMES[1]) / 100 + 2.0
    assert wire.next_at() == pytest.approx(first)
    assert wire.receive(first - 0.001) == b""
    assert wire.receive(first) == FRAMES[1]
    assert wire.next_at() == pytest.approx(first + len(FRAMES[2]) / 100)
    assert wire.receive(first + 1) == FRAMES[2]
    assert wire.next_at() is None


def test_a_wire_with_a_rate_pushes_back() -> None:
    wire = Wire(Terms(bytes_s=100))
    assert wire.takes(0.0)
    wire.send(FRAMES[6], 0.0)
    assert not wire.takes(0.0)
    assert wire.takes_at() == pytest.approx(len(FRAMES[6]) / 100 - AHEAD_S)
    assert wire.takes(wire.takes_at())


def test_latency_pushes_nobody_back() -> None:
    wire = Wire(Terms(latency_s=60))
    wire.send(FRAMES[6], 0.0)
    assert wire.takes(0.0)


def test_the_declared_share_is_lost_and_the_rest_arrives_whole() -> None:
    wire = Wire(Terms(loss=0.2), 4)
    for frame in FRAMES * 10:
        wire.send(frame, 0.0)
    got = sequences(wire.receive(0.0))
    assert wire.counts.frames == 2000
    assert wire.counts.lost == 2000 - len(got)
    assert 300 < wire.counts.lost < 500


def test_a_lost_frame_takes_its_time_too() -> None:
    wire = Wire(Terms(bytes_s=100, loss=1.0))
    wire.send(FRAMES[6], 0.0)
    assert not wire.takes(0.0)
    assert wire.next_at() is None


def test_a_duplicate_follows_its_frame() -> None:
    got = sequences(carried(Terms(duplicated=0.3)))
    twice = [a for a, b in itertools.pairwise(got) if a == b]
    assert sorted(set(got)) == list(range(200))
    assert len(got) == 200 + len(twice)
    assert 30 < len(twice) < 90


def test_a_late_frame_is_passed_by_the_next_one_only() -> None:
    got = sequences(carried(Terms(reordered=0.3), [*FRAMES, *FRAMES[:2]]))
    assert got != sorted(got)
    assert all(abs(place - sequence) <= 1 for place, sequence in enumerate(got[:199]))


def test_damage_is_one_bit() -> None:
    wire = Wire(Terms(damaged=1.0), 1)
    for frame in FRAMES[:50]:
        wire.send(frame, 0.0)
        got = wire.receive(0.0)
        assert sum((a ^ b).bit_count() for a, b in zip(got, frame, strict=True)) == 1
    assert wire.counts.damaged == 50


def test_a_seed_decides_and_another_decides_otherwise() -> None:
    terms = Terms(loss=0.2, duplicated=0.2, reordered=0.2, damaged=0.2)
    assert carried(terms, seed=1) == carried(terms, seed=1)
    assert carried(terms, seed=1) != carried(terms, seed=2)


def test_one_share_moves_no_other_fault() -> None:
    lost = set(range(200)) - set(sequences(carried(Terms(loss=0.2))))
    both = set(range(200)) - set(sequences(carried(Terms(loss=0.2, duplicated=0.5))))
    assert lost == both


def test_nothing_arrives_while_a_wire_is_stalled_and_all_of_it_after() -> None:
    wire = Wire(Terms())
    wire.stalled = True
    wire.send(FRAMES[1], 0.0)
    assert (wire.receive(5.0), wire.next_at()) == (b"", None)
    wire.stalled = False
    assert wire.receive(5.0) == FRAMES[1]


def test_what_a_cut_wire_is_given_is_gone_with_what_was_under_way() -> None:
    wire = Wire(Terms(latency_s=1.0))
    wire.send(FRAMES[1] + FRAMES[2][:4], 0.0)
    wire.cut = True
    wire.send(FRAMES[3], 0.0)
    assert wire.takes(0.0)
    wire.cut = False
    wire.send(FRAMES[4], 0.0)
    assert wire.receive(9.0) == FRAMES[4]
    assert wire.counts.bytes == sum(map(len, (FRAMES[1], FRAMES[3], FRAMES[4]))) + 4


def test_bytes_are_counted_by_the_type_of_their_frame() -> None:
    wire, other = Wire(Terms(loss=1.0)), encode(Frame(0, 1, b"abc"))
    wire.send(FRAMES[2] + FRAMES[3] + SMP + other + b"\x01\0", 0.0)
    assert wire.counts.of_type == {0x50: len(FRAMES[2]) + len(FRAMES[3]), 0: len(other)}
    assert frame_type(SMP) is None
