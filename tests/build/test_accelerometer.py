"""The micro:bit's accelerometer driver on a host, under sanitizers, over models of the interface and of both chips."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tinyops.twin.recorded import Replay

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
PORT = RUNTIME / "port"
STRICT = ["-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
STRICT += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DTINYOPS_REGISTERS_MODEL"]
PINS = "".join(
    f"#define BOARD_{name}_PIN {pin}u\n#define BOARD_{name}_GPIO 0x50000000u\n#define BOARD_{name}_SELECT {pin}u\n"
    for name, pin in (("SCL", 0), ("SDA", 30))
)
GRAVITY = 9.80665
STEP_MG = {"mma8653": 2000 / 512, "lsm303agr": 0.98}  # in their range of 2 g
FULL_SCALE = 19.6  # m/s2


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("accelerometer")
    (folder / "pins.h").write_text(PINS)
    sources = [ROOT / "tests/runtime/run_accelerometer.c", *sorted((PORT / "nrf5/accelerometer").glob("*.c"))]
    sources += [PORT / "sim" / f"{name}.c" for name in ("replay", "twi_model", "accelerometer_model")]
    include = [RUNTIME / "include", PORT / "sim", PORT / "sensors", PORT / "nrf5/accelerometer", folder]
    flags = [argument for path in include for argument in ("-I", path)]
    subprocess.run(["gcc", *STRICT, *flags, *sources, "-o", folder / "run"], check=True, timeout=60)
    return folder / "run"


def motion(samples: int) -> NDArray[np.int16]:
    """Half thousandths of g, up to 1.9 g, the axes unlike each other."""
    t = np.arange(samples)[:, None]
    return np.rint(3800 * np.sin(t / np.array([3.0, 5.0, 11.0]) + np.array([0.0, 1.0, 2.0]))).astype(np.int16)


def run(
    program: Path,
    folder: Path,
    chip: str,
    *,
    samples: NDArray[np.int16],
    recorded_hz: int,
    rate_hz: float = 50,
    samples_a_frame: int = 1,
    full_scale: float = FULL_SCALE,
    step_ms: int = 5,
    frames: int = 20,
    stall: tuple[int, int] | None = None,
) -> tuple[int, NDArray[np.float64], int]:
    """Status of its start, samples in m/s2, frames that it missed."""
    path = folder / "recording"
    path.write_bytes(Replay(samples.astype("<i2").tobytes(), 3, recorded_hz * 1000).file())
    per_milli = round(32768 * 65536 / (full_scale * 1000))
    words = [path, chip, rate_hz * 1000, 3 * samples_a_frame, per_milli, step_ms, frames, *(stall or ())]
    done = subprocess.run(
        [program, *(str(int(w)) if isinstance(w, float) else str(w) for w in words)],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    first, *lines, last = done.stdout.splitlines()
    counts = np.array([line.split() for line in lines], np.float64).reshape(-1, 3)
    return int(first.split()[1]), counts * full_scale / 32768, int(last.split()[1])


@pytest.mark.parametrize("chip", STEP_MG)
def test_a_chip_is_found_and_its_readings_come_in_the_units_of_the_signal(
    chip: str, program: Path, tmp_path: Path
) -> None:
    samples = motion(100)
    status, found, missed = run(program, tmp_path, chip, samples=samples, recorded_hz=50, frames=80)
    assert (status, missed, len(found)) == (0, 0, 80)
    wanted = samples[:80] / 2000 * GRAVITY
    assert np.abs(found - wanted).max() < STEP_MG[chip] / 1000 * GRAVITY * 0.75


def test_a_slower_rate_is_the_mean_of_readings_and_a_frame_holds_many_samples(program: Path, tmp_path: Path) -> None:
    samples = motion(400)
    given = {"samples": samples, "recorded_hz": 50, "rate_hz": 10}
    status, found, missed = run(program, tmp_path, "mma8653", **given, samples_a_frame=4, frames=9)
    assert (status, missed, len(found)) == (0, 0, 36)
    means = samples[: 36 * 5].reshape(36, 5, 3).mean(axis=1) / 2000 * GRAVITY
    assert np.abs(found - means).max() < STEP_MG["mma8653"] / 1000 * GRAVITY


def test_a_full_scale_beyond_the_smallest_range_takes_a_larger_one(program: Path, tmp_path: Path) -> None:
    samples = (motion(40).astype(np.int32) * 7).astype(np.int16)  # up to 13 g
    given = {"samples": samples, "recorded_hz": 50, "full_scale": 156.9}
    status, found, _ = run(program, tmp_path, "lsm303agr", **given, frames=30)
    assert status == 0
    assert np.abs(found - samples[:30] / 2000 * GRAVITY).max() < 11.72 / 1000 * GRAVITY * 0.75
    assert run(program, tmp_path, "mma8653", **given)[0] == -5
    clipped = run(program, tmp_path, "mma8653", samples=samples, recorded_hz=50, frames=30)[1]
    assert np.abs(clipped).max() == pytest.approx(FULL_SCALE, abs=0.1)


@pytest.mark.parametrize("chip, kept", [("mma8653", 1), ("lsm303agr", 32)])
def test_readings_that_nobody_took_are_missed(chip: str, kept: int, program: Path, tmp_path: Path) -> None:
    """A second's stall is 50 readings; what the chip keeps is not lost, and the frames go on behind the gap."""
    given = {"samples": motion(400), "recorded_hz": 50, "frames": 200}
    assert run(program, tmp_path, chip, **given, stall=(100, 10))[2] == 0
    _, found, missed = run(program, tmp_path, chip, **given, stall=(100, 1000))
    assert 50 - kept - 1 <= missed <= 50 - kept + 1
    _, whole, _ = run(program, tmp_path, chip, samples=motion(400), recorded_hz=50, frames=300)
    assert np.array_equal(found[:100], whole[:100])
    behind = [n for n in range(200) if np.array_equal(found[100:], whole[n + 100 : n + 200])]
    assert behind and abs(behind[0] - missed) <= 1


def test_no_chip_and_no_rate_are_said(program: Path, tmp_path: Path) -> None:
    assert run(program, tmp_path, "none", samples=motion(9), recorded_hz=50)[0] == -1
    for chip in STEP_MG:
        assert run(program, tmp_path, chip, samples=motion(9), recorded_hz=50, rate_hz=33)[0] == -2
        assert run(program, tmp_path, chip, samples=motion(9), recorded_hz=50, rate_hz=0)[0] == -2


@pytest.mark.parametrize("chip", STEP_MG)
@pytest.mark.parametrize("rate_hz", [10, 25, 50, 100])
def test_every_rate_of_the_catalogue_is_one_of_both_chips(
    chip: str, rate_hz: int, program: Path, tmp_path: Path
) -> None:
    samples = np.repeat(motion(60), 2, axis=0)[:60]
    status, found, missed = run(
        program, tmp_path, chip, samples=samples, recorded_hz=rate_hz, rate_hz=rate_hz, frames=40
    )
    assert (status, len(found), missed) == (0, 40, 0)
    assert np.abs(found - samples[:40] / 2000 * GRAVITY).max() < STEP_MG[chip] / 1000 * GRAVITY
