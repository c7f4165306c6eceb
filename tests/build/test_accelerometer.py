"""The micro:bit's accelerometer driver on a host, under sanitizers, over models of the interface and of both chips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fakes.accelerometer import FULL_SCALE, build, sense
from tinyops.twin.recorded import GRAVITY, Replay

pytestmark = pytest.mark.build

STEP = {"mma8653": 2 / 512 * GRAVITY, "lsm303agr": 0.00098 * GRAVITY}  # m/s2, in their range of 2 g


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("accelerometer"))


def motion(samples: int) -> NDArray[np.int16]:
    """Half thousandths of g, up to 1.9 g, the axes unlike each other."""
    t = np.arange(samples)[:, None]
    return np.rint(3800 * np.sin(t / np.array([3.0, 5.0, 11.0]) + np.array([0.0, 1.0, 2.0]))).astype(np.int16)


def recording(samples: NDArray[np.int16], rate_hz: int = 50) -> Replay:
    return Replay(samples.astype("<i2").tobytes(), 3, rate_hz * 1000)


def physical(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = samples / 2000 * GRAVITY
    return found


@pytest.mark.parametrize("chip", STEP)
@pytest.mark.parametrize("rate_hz", [10, 25, 50, 100])
def test_a_chip_is_found_and_its_readings_come_in_the_units_of_the_signal(
    chip: str, rate_hz: int, program: Path
) -> None:
    """At every rate of the catalogue."""
    samples = motion(100)
    found = sense(program, recording(samples, rate_hz), chip, rate_hz=rate_hz, frames=80)
    assert (found.status, found.missed, len(found.counts)) == (0, 0, 80)
    assert np.abs(found.values - physical(samples[:80])).max() < STEP[chip] * 0.75


def test_a_slower_rate_is_the_mean_of_readings_and_a_frame_holds_many_samples(program: Path) -> None:
    samples = motion(400)
    found = sense(program, recording(samples), "mma8653", rate_hz=10, samples_a_frame=4, frames=9)
    assert (found.status, found.missed, len(found.counts)) == (0, 0, 36)
    means = physical(samples[: 36 * 5]).reshape(36, 5, 3).mean(axis=1)
    assert np.abs(found.values - means).max() < STEP["mma8653"]


def test_a_full_scale_beyond_the_smallest_range_takes_a_larger_one(program: Path) -> None:
    samples = (motion(40).astype(np.int32) * 7).astype(np.int16)  # up to 13 g
    found = sense(program, recording(samples), "lsm303agr", full_scale=156.9, frames=30)
    assert found.status == 0
    assert np.abs(found.values - physical(samples[:30])).max() < 0.01172 * GRAVITY * 0.75
    assert sense(program, recording(samples), "mma8653", full_scale=156.9).status == -5
    clipped = sense(program, recording(samples), "mma8653", frames=30).values
    assert np.abs(clipped).max() == pytest.approx(FULL_SCALE, abs=0.1)


@pytest.mark.parametrize("chip, kept", [("mma8653", 1), ("lsm303agr", 32)])
def test_readings_that_nobody_took_are_missed(chip: str, kept: int, program: Path) -> None:
    """A second's stall is 50 readings; what the chip keeps is not lost, and the frames go on behind the gap."""
    whole = sense(program, recording(motion(400)), chip, frames=300)
    assert sense(program, recording(motion(400)), chip, frames=200, stall=(100, 10)).missed == 0
    found = sense(program, recording(motion(400)), chip, frames=200, stall=(100, 1000))
    assert 50 - kept - 1 <= found.missed <= 50 - kept + 1
    assert np.array_equal(found.counts[:100], whole.counts[:100])
    behind = [n for n in range(200) if np.array_equal(found.counts[100:], whole.counts[n + 100 : n + 200])]
    assert behind and abs(behind[0] - found.missed) <= 1


def test_no_chip_and_no_rate_are_said(program: Path) -> None:
    assert sense(program, recording(motion(9)), "none").status == -1
    for chip in STEP:
        assert sense(program, recording(motion(9)), chip, rate_hz=33).status == -2
        assert sense(program, recording(motion(9)), chip, rate_hz=0).status == -2
