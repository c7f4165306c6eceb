"""Sensor drivers of the Arduino port: they compile without a warning, and on the host, against an imitation of the
hardware below their libraries, deliver the contract's frames: rate, units, scale, gaps."""

from __future__ import annotations

import os
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tinyops.boards import load_catalog
from tinyops.firmware import render_project
from tinyops.toolchain import CPU_FLAGS

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
SENSORS = ROOT / "tinyops/runtime/port/arduino/sensors"
THIN = ROOT / "tests/runtime/arduino"
FLAGS = ("-std=gnu++11", "-Os", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
INCLUDES = ("-I", THIN, "-I", ROOT / "tinyops/runtime/include", "-I", SENSORS.parent, "-I", SENSORS)
HOST = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# Full scale of 40 m/s2 and 35 rad/s, as the wrist's dataset has them.
IMU = ("-DSIGNAL_FROM={0,1,2,3,4,5}", "-DSIGNAL_COUNTS={819.2f,819.2f,819.2f,936.2286f,936.2286f,936.2286f}")
SIGNALS = {
    "onboard-imu": ["ax", "ay", "az", "gx", "gy", "gz"],
    "onboard-microphone": ["audio"],
    "kit-camera": ["luma"],
}


@pytest.mark.parametrize("driver", [path.stem for path in sorted(SENSORS.glob("*.cpp"))])
def test_drivers_compile_for_their_board(driver: str, tmp_path: Path) -> None:
    common = ["arm-none-eabi-g++", *CPU_FLAGS["cortex-m4f"], *FLAGS, "-DARDUINO_ARCH_MBED", *INCLUDES]
    done = subprocess.run(
        [*common, "-c", SENSORS / f"{driver}.cpp", "-o", tmp_path / "o"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def make(tmp_path: Path, driver: str, *defines: str) -> Path:
    program = tmp_path / driver
    argv = ["g++", *FLAGS, *HOST, *INCLUDES, *defines, SENSORS / f"{driver}.cpp", THIN / "sensing.cpp", "-o", program]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return program


def run(program: Path, *arguments: object, **environment: str) -> tuple[list[list[int]], int, int]:
    """Frames, each after the ms of its poll; the last status; frames missed."""
    argv = [program, *map(str, arguments)]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    *frames, end = done.stdout.splitlines()
    status, missed = map(int, end.split()[1:])
    return [[int(value) for value in line.split()] for line in frames], status, missed


@pytest.fixture(scope="module")
def lsm9ds1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("imu"), "lsm9ds1", "-DSENSOR_IMU=32", *IMU)


def test_an_imu_delivers_means_in_the_contracts_units_at_its_rate(lsm9ds1: Path) -> None:
    frames, status, missed = run(lsm9ds1, 6, 10_000, 10_000)
    assert (len(frames), status, missed) == (99, 0, 0), "10 a second for 10 s, the first after 0.1 s"
    _, _, ay, az, gx, gy, gz = frames[0]
    assert (ay, az) == (round(0.5 * 9.80665 * 819.2), round(-9.80665 * 819.2))
    assert gx == gy == round(90 * 3.14159265 / 180 * 936.2286)
    assert gz == -32768, "4000 degrees a second are more than the full scale"
    assert frames[0][1] == pytest.approx(0.055 * 9.80665 * 819.2, abs=1), "mean of readings 0 to 11"
    # x is a ramp of 1.19 g a second and lies within the full scale for three seconds.
    steps = [after[1] - before[1] for before, after in pairwise(frames[:26])]
    assert sum(steps) / len(steps) == pytest.approx(0.119 * 9.80665 * 819.2, rel=0.02)


def test_a_pause_within_the_fifo_loses_nothing_and_a_longer_one_is_counted(lsm9ds1: Path) -> None:
    undisturbed, _, _ = run(lsm9ds1, 6, 50_000, 3_000)
    paused, _, missed = run(lsm9ds1, 6, 50_000, 3_000, "1000:1200")
    assert missed == 0 and [f[1:] for f in paused] == [f[1:] for f in undisturbed]
    paused, _, missed = run(lsm9ds1, 6, 50_000, 3_000, "1000:2000")
    assert len(paused) + missed == pytest.approx(len(undisturbed), abs=2) and missed > 30


def test_a_frame_of_several_samples_has_no_gap(lsm9ds1: Path) -> None:
    frames, _, missed = run(lsm9ds1, 24, 50_000, 3_000, "1000:2000")
    assert missed >= 8
    for frame in frames:
        ramp = frame[1::6]
        if max(ramp) < 32767:
            steps = [b - a for a, b in pairwise(ramp)]
            assert max(steps) < 0.04 * 9.80665 * 819.2, "a fiftieth of a second, not a second"


def test_a_sensor_that_is_absent_or_fails_says_so(lsm9ds1: Path) -> None:
    assert run(lsm9ds1, 6, 10_000, 1_000, ABSENT="1")[1] < 0
    assert run(lsm9ds1, 6, 10_000, 1_000, BROKEN="1")[1] < 0
    assert run(lsm9ds1, 7, 10_000, 1_000)[1] < 0, "7 values are no frame of 6 channels"


def test_without_a_fifo_readings_lost_to_a_pause_are_counted(tmp_path: Path) -> None:
    chosen = ("-DSIGNAL_FROM={2,5}", "-DSIGNAL_COUNTS={819.2f,936.2286f}")
    program = make(tmp_path, "bmi270", "-DSENSOR_IMU=1", *chosen)
    frames, status, missed = run(program, 2, 100_000, 3_000)
    assert (status, missed) == (0, 0) and len(frames) == pytest.approx(300, abs=3)
    assert frames[0][1:] == [round(-9.80665 * 819.2), -32768], "az and gz of six"
    paused, _, missed = run(program, 2, 100_000, 3_000, "1000:1500")
    assert len(paused) + missed == pytest.approx(300, abs=5) and missed > 40


def test_a_microphone_s_samples_come_scaled_whole_and_in_order(tmp_path: Path) -> None:
    program = make(tmp_path, "pdm", "-DSENSOR_PDM", "-DSIGNAL_FROM={0}", "-DSIGNAL_COUNTS={65536.0f}")
    frames, status, missed = run(program, 320, 16_000_000, 800)
    assert (status, missed) == (0, 0)
    samples = [value for frame in frames for value in frame[1:]]
    assert samples == [min(2 * n, 32767) for n in range(len(samples))] and len(samples) > 12_000
    frames, status, missed = run(program, 320, 16_000_000, 1_900, "100:1300")
    assert status == 0 and missed == pytest.approx((1200 * 16 - 8192) / 320, abs=2)
    for frame in frames:
        assert all(b - a in (0, 2) for a, b in pairwise(frame[1:])), "no frame has a gap"
    assert run(program, 320, 8_000_000, 100)[1] < 0, "a rate that the library lacks"
    assert run(program, 8_000, 16_000_000, 100)[1] < 0, "more than the ring"


def test_what_a_microphone_lost_is_told_where_it_was(tmp_path: Path) -> None:
    program = make(tmp_path, "pdm", "-DSENSOR_PDM", "-DSIGNAL_FROM={0}", "-DSIGNAL_COUNTS={32768.0f}")
    frames, status, missed = run(program, 1, 16_000_000, 1_900, "100:1300", MISSED="1")
    assert status == 0 and missed == pytest.approx(1200 * 16 - 8192, abs=600)
    assert [value for *_, value in frames] == [number + before for number, (_, before, _) in enumerate(frames)]
    assert {before for _, before, _ in frames} == {0, missed}, "one gap"


def test_a_camera_s_bytes_become_counts_in_place(tmp_path: Path) -> None:
    program = make(tmp_path, "ov7670", "-DSIGNAL_FROM={0}", "-DSIGNAL_COUNTS={32768.0f}")
    frames, status, missed = run(program, 19_200, 1_000, 5_000)
    assert (len(frames), status, missed) == (5, 0, 0)
    wanted = [min(int(n % 256 / 255 * 32768 + 0.5), 32767) for n in range(19_200)]
    assert max(abs(a - b) for a, b in zip(frames[0][1:], wanted, strict=True)) <= 1
    _, _, missed = run(program, 19_200, 1_000, 8_000, "1500:5500")
    assert missed == 3
    assert run(program, 100, 1_000, 100)[1] < 0


@pytest.mark.parametrize("sensor", SIGNALS)
def test_the_rendered_program_reads_the_sensor_that_was_chosen(sensor: str, tmp_path: Path) -> None:
    spec = load_catalog()["nano33ble"].spec.model_copy(update={"port": "arduino"})
    assert spec.layout is not None
    channels = SIGNALS[sensor]
    given = {"sensor": "any", "channels": channels, "full_scale": [1.0] * len(channels), "frame_values": len(channels)}
    files = render_project(
        board="nano33ble",
        spec=spec,
        fleet="f",
        sensor={"kind": "onboard", "name": sensor},
        contract={"abi": 1, "input": given, "output": {}, "arena_bytes": spec.layout.arena_bytes},
    )
    for name in ("include", "src"):
        for path in (n for n in files if n.startswith(f"{name}/")):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(files[path])
    includes = ("-I", tmp_path / "include", "-I", tmp_path / "src/arduino", "-I", THIN)
    common = ["arm-none-eabi-g++", *CPU_FLAGS["cortex-m4f"], *FLAGS, "-DARDUINO_ARCH_MBED", *includes]
    objects = []
    for source in sorted(tmp_path.glob("src/**/*.cpp")):
        objects.append(tmp_path / f"{source.stem}.o")
        done = subprocess.run(
            [*common, "-c", source, "-o", objects[-1]], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
    whole = tmp_path / "whole.o"
    subprocess.run([*common, "-nostdlib", "-r", *objects, "-o", whole], check=True, timeout=60)
    names = subprocess.run(["arm-none-eabi-nm", "-u", whole], check=True, capture_output=True, text=True, timeout=60)
    assert "tinyops_arduino" not in names.stdout
