"""Recordings, contracts and golden vectors as the agent reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.models import CONTRACT, contract_bytes, contract_digest, golden_bytes
from tinyops.device.contract import contract_digest as digest_of
from tinyops.device.contract import differences, read_contract
from tinyops.device.runner import ModelError, parse_golden
from tinyops.device.sensor import LINE_CHARACTERS_MAX, MissingChannels, SensorError, read_frames, to_count
from tinyops.errors import RemoteError


def frames(tmp_path: Path, text: str | bytes, values: int = 2) -> list[list[int]]:
    path = tmp_path / "walk.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    channels = ["ax", "ay"] if values == 2 else ["grey"]
    return [list(frame) for frame in read_frames(path, channels, [2.0, 4.0][: len(channels)], values, values)]


def test_columns_are_found_by_name_and_scaled_by_channel(tmp_path: Path) -> None:
    text = "\ufefftime,ay,ax\r\n0,4,-2\r\n1, 1.0 ,1e0\r\n\r\n"
    assert frames(tmp_path, text) == [[-32768, 32767], [16384, 8192]]


def test_without_a_header_columns_are_the_channels_in_order(tmp_path: Path) -> None:
    assert frames(tmp_path, "1,1\n0,0\n") == [[16384, 8192], [0, 0]]


def test_an_image_is_a_line_and_its_class_may_follow(tmp_path: Path) -> None:
    assert frames(tmp_path, "1,0,1,0,cat\n", 4) == [[16384, 0, 16384, 0]]
    assert frames(tmp_path, "1,0,1,0\n", 4) == [[16384, 0, 16384, 0]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("time,ax\n1,2\n", "1: no column ay: the contract wants ax, ay, the recording has time, ax"),
        ("1,2,3\n", "1: 3 columns, the contract has frames of 2 values"),
        ("", "no column ax, ay"),
    ],
)
def test_a_recording_of_other_channels_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(MissingChannels, match=sentence):
        frames(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ax,ay\n1,2\n1,x\n", "walk.csv:3: column 2 is not a number"),
        ("ax,ay\n1\n", "walk.csv:2: column 2 is not a number"),
        ("ax,ay\n1,nan\n", "walk.csv:2: column 2 is nan"),
        ("ax,ay\n-inf,1\n", "walk.csv:2: column 1 is -inf"),
        (b"ax,ay\n\xff,1\n", "not CSV in UTF-8"),
        ("ax,ay\n" + "1" * (LINE_CHARACTERS_MAX + 1), "longer than"),
    ],
)
def test_wrong_values_are_named_by_line(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    with pytest.raises(SensorError, match=sentence):
        frames(tmp_path, text)


def test_a_frame_may_hold_several_lines(tmp_path: Path) -> None:
    (tmp_path / "walk.csv").write_text("ay,ax\n" + "".join(f"{n / 100},{n / 200}\n" for n in range(7)))
    found = [list(f) for f in read_frames(tmp_path / "walk.csv", ["ax", "ay"], [1.0, 1.0], 6, 2)]
    assert [len(frame) for frame in found] == [6, 6], "the last line makes no whole frame"
    assert found[1] == [round(n / 200 * 32768 * factor) for n in (3, 4, 5) for factor in (1, 2)]


def test_a_missing_recording(tmp_path: Path) -> None:
    with pytest.raises(SensorError, match="cannot be read: No such file"):
        next(read_frames(tmp_path / "none.csv", ["a"], [1.0], 1, 1))


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(min_value=1e-6, max_value=1e6))
def test_counts_saturate(value: float, full_scale: float) -> None:
    count = to_count(value, full_scale)
    assert -32768 <= count <= 32767
    if abs(value) < full_scale * 0.999:
        assert abs(count - value / full_scale * 32768) <= 0.5


def test_a_contracts_digest_does_not_depend_on_its_layout() -> None:
    contract, value = read_contract(contract_bytes(), where="c")
    assert contract.input.channels == ("ax", "ay")
    assert digest_of(value) == contract_digest(contract_bytes()) == contract_digest(json.dumps(CONTRACT).encode())


def test_a_contract_without_a_signal_is_one_that_cannot_be_replayed() -> None:
    value = {
        "abi": 1,
        "input": {"sensor": None, "channels": None, "units": None, "full_scale": None, "rate_hz": None}
        | {"tensors": [{"shape": [1, 96], "type": "int8"}], "frame_values": 0, "window_frames": 0, "hop_frames": 0},
        "output": {"classes": None, "type": "int8", "bytes": 2},
        "arena_bytes": 5,
    }
    contract, _ = read_contract(json.dumps(value).encode(), where="c")
    assert contract.frames is None


def test_differences_are_named_by_field() -> None:
    _, here = read_contract(contract_bytes(), where="c")
    _, there = read_contract(contract_bytes(rate_hz=25.0, sensor="imu"), where="c")
    assert differences(here, there) == [
        "input.rate_hz: 10.0 here, 25.0 offered",
        "input.sensor: accelerometer here, imu offered",
    ]
    assert differences(here, here) == []


LAST_OF_TWO = {"output": {"type": "int8", "bytes": 0}, "part": {"position": 1, "parts": 2}}


def test_a_part_before_the_last_has_no_result() -> None:
    change = {**LAST_OF_TWO, "part": {"position": 0, "parts": 2}}
    contract, _ = read_contract(json.dumps({**CONTRACT, **change}).encode(), where="c")
    assert contract.output.bytes == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"abi": 2}, "abi"),
        ({"output": {"classes": ["a"], "type": 8, "bytes": 8}}, "output.type"),
        ({"output": {"classes": ["a"], "type": "int8", "bytes": 0}}, "a result of no bytes"),
        (LAST_OF_TWO, "a result of no bytes"),
        ({"input": {**CONTRACT["input"], "full_scale": [1.0]}}, "do not agree"),
        ({"input": {**CONTRACT["input"], "full_scale": [0.0, 1.0]}}, "full_scale"),
        ({"input": {**CONTRACT["input"], "frame_values": 3}}, "do not agree"),
        ({"input": 5}, "input"),
    ],
)
def test_a_contract_that_is_none(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RemoteError, match=f"c: not a contract.*{sentence}"):
        read_contract(json.dumps({**CONTRACT, **change}).encode(), where="c")


def test_golden_vectors() -> None:
    golden = parse_golden(golden_bytes(vectors=3))
    assert (golden.input_bytes, golden.output_bytes, len(golden.vectors)) == (8, 2, 3)
    assert len(golden.vectors[2][0]) == 8


@given(st.binary(max_size=64))
def test_other_bytes_are_no_golden_vectors(data: bytes) -> None:
    whole = golden_bytes(vectors=2)
    for wrong in (data, whole[: len(data)], whole + data[:7] + b"x", b"TOG1" + data):
        try:
            assert parse_golden(wrong).vectors
        except ModelError as error:
            assert "golden vectors" in str(error)
    with pytest.raises(ModelError):
        parse_golden(b"TOG1" + bytes(12))
