"""Measurements of real boards: files that say what was measured, and the milliseconds that follow from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.measurements import FOUND
from tinyops.build.hardware import unwrapped
from tinyops.build.measurements import Measurement, Spread, read_factor, write_measurement
from tinyops.errors import SpecError
from tinyops.firmware.hexadecimal import intel_hex
from tinyops.link import Cycles, Timing
from tinyops.twin.released import hex_bytes


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = write_measurement(FOUND, tmp_path)
    assert path == tmp_path / "nano33ble" / "kws-abababababab.json"
    assert Measurement.from_json(json.loads(path.read_text())) == FOUND


def test_instructions_become_time_by_what_boards_took(tmp_path: Path) -> None:
    assert read_factor(tmp_path, "nano33ble") is None
    write_measurement(FOUND, tmp_path)
    slower = replace(FOUND, model="vww.tflite", cycles=Spread(1.0, 1.0, 8_000_000.0))
    write_measurement(slower, tmp_path)
    factor = read_factor(tmp_path, "nano33ble")
    assert factor is not None
    assert (factor.cycles, factor.runs) == (1.75, 2)
    assert factor.milliseconds(64_000_000) == 1750
    assert factor.describe(6_400_000) == "175.00 ms, measured on hardware: 2 runs, 1.75 cycles each"
    assert read_factor(tmp_path, "microbit") is None


def test_an_emulators_measurement_gives_no_time(tmp_path: Path) -> None:
    write_measurement(replace(FOUND, emulated=True), tmp_path)
    write_measurement(replace(FOUND, model="other.tflite", instructions=None), tmp_path)
    assert read_factor(tmp_path, "nano33ble") is None


@pytest.mark.parametrize(
    "change", [{"cycles": 5}, {"clock_hz": 0}, {"instructions": "many"}, {"board": None, "new": 1}]
)
def test_a_file_that_is_no_measurement_is_named(tmp_path: Path, change: dict) -> None:
    path = write_measurement(FOUND, tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(SpecError, match=r"kws-abababababab\.json"):
        read_factor(tmp_path, "nano33ble")


@pytest.mark.parametrize(
    ("ticks", "counted", "cycles"),
    [
        (16_000_000, Cycles(0x00F42400 & 0xFFFFFF, 24, False), 16_000_000),  # a second, one turn short of none
        (32_000_000, Cycles(32_000_010 % 2**24, 24, False), 32_000_010),
        (160_000_000, Cycles(159_999_000 % 2**24, 24, False), 159_999_000),
        (1000, Cycles(1003, 32, False), 1003),
        (1000, Cycles(0, 0, False), 1000),  # no counter: the stopwatch
    ],
)
def test_a_counter_of_few_bits_is_made_whole_by_the_stopwatch(ticks: int, counted: Cycles, cycles: int) -> None:
    assert unwrapped([Timing(ticks, 16_000_000)], [counted], 16_000_000) == [cycles]


@pytest.mark.parametrize(("origin", "count"), [(0, 1), (0x10000, 100), (0xFFF8, 40), (0x2000FFFF, 3)])
def test_intel_hex_is_what_a_reader_of_it_reads(tmp_path: Path, origin: int, count: int) -> None:
    data = bytes(i * 7 % 256 for i in range(count))
    path = tmp_path / "x.hex"
    path.write_text(intel_hex(data, origin))
    assert hex_bytes(path) == {origin + i: byte for i, byte in enumerate(data)}
