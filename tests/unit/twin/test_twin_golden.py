"""Golden vectors, streams and released copies: read with suspicion."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyops.errors import DoesNotFit, SpecError, ToolError
from tinyops.link import Hello, Timing
from tinyops.link.protocol import LINK_VERSION, Status
from tinyops.twin.golden import read_golden, read_stream
from tinyops.twin.prove import Expected, Measured, _find_wrong, count_instructions
from tinyops.twin.released import check_slot, hex_bytes


def golden(vectors: int, inputs: int, outputs: int, body: bytes) -> bytes:
    return b"TOG1" + struct.pack("<3I", vectors, inputs, outputs) + body


def test_golden_vectors_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "golden.bin"
    path.write_bytes(golden(2, 2, 1, b"abXcdY"))
    assert read_golden(path).vectors == ((b"ab", b"X"), (b"cd", b"Y"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"TOG1",
        b"TOG2" + bytes(12),
        golden(0, 1, 1, b""),
        golden(1, 0, 1, b"x"),
        golden(1, 2, 1, b"ab"),
        golden(1, 2, 1, b"abcd"),
        golden(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, b"abc"),
    ],
)
def test_a_damaged_golden_file_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "golden.bin"
    path.write_bytes(data)
    with pytest.raises(SpecError, match=r"golden\.bin"):
        read_golden(path)


@given(data=st.binary(max_size=80))
def test_any_bytes_are_a_stream_or_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "stream.bin"
    path.write_bytes(b"TOS1" + data)
    try:
        stream = read_stream(path)
    except SpecError:
        return
    assert stream.frames


def test_a_stream_holds_frames_and_results(tmp_path: Path) -> None:
    path = tmp_path / "stream.bin"
    path.write_bytes(b"TOS1" + struct.pack("<4I4h", 2, 2, 1, 3, 1, -2, 3, -4) + b"out")
    stream = read_stream(path)
    assert stream.frames == ((1, -2), (3, -4)) and stream.results == (b"out",)


def test_ticks_become_instructions_with_their_resolution() -> None:
    assert count_instructions([Timing(10, 25_000_000), Timing(12, 25_000_000)]) == (480, 40.0)
    assert count_instructions([Timing(3, 16_000_000)]) == (188, 62.5)
    assert count_instructions([Timing(1000, 0)]) == (1000, 1.0)
    assert count_instructions([Timing(0, 1)]) == (None, None)


def test_ram_counts_the_arena_that_is_used_and_the_stack_that_was_used() -> None:
    assert Measured(1, 1.0, 300, 10_864, 10_240, 2_000, ()).ram_bytes == 624 + 2_000 + 300


GOOD = Hello(LINK_VERSION, 0, 1, b"c" * 32, b"c" * 32, 4, 0xD87F7E0C, 10, 5, 1, 1, 0, 0, 0, "b")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"link": 9}, "version 9"),
        ({"contract": b"d" * 32}, "built for contract 6464"),
        ({"state": Status.ABSENT}, "slot is empty"),
        ({"image_bytes": 8}, "image of 8 bytes, the file has 4"),
        ({"image_crc": 1}, "not the one in the file"),
    ],
)
def test_a_board_that_is_not_the_expected_one_is_told(changes: dict[str, Any], said: str) -> None:
    found = _find_wrong(replace(GOOD, **changes), Expected(b"c" * 32, b"test"))
    assert said in found and bool(found) == bool(said)


def test_a_model_larger_than_its_slot_is_told_by_how_much() -> None:
    check_slot("b", bytes(10), 10)
    with pytest.raises(DoesNotFit, match="b: the model image of 11 bytes is 1 bytes larger"):
        check_slot("b", bytes(11), 10)


def test_intel_hex_is_read_with_its_bases(tmp_path: Path) -> None:
    path = tmp_path / "f.hex"
    path.write_text(":020000040001F9\n:0200100041422B".replace("2B", "6B") + "\n:00000001FF\n")
    assert hex_bytes(path) == {0x10010: 0x41, 0x10011: 0x42}
    for bad in (":0000", "0000000000", ":0200100041426C", ":zz", ":0000000AF6"):
        path.write_text(bad + "\n")
        with pytest.raises(ToolError, match=r"f\.hex:1"):
            hex_bytes(path)
