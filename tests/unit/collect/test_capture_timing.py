"""Rates out of times that come in bursts, stand still and jump."""

from __future__ import annotations

import numpy as np
import pytest

from tinyops.collect.capture.timing import Measured, measure


def steady(rate: float, seconds: float, block: int = 1) -> tuple[np.ndarray, np.ndarray]:
    frames = np.arange(block, int(rate * seconds) + 1, block)
    return frames, frames / rate


def test_a_steady_rate() -> None:
    found = measure(*steady(99.84, 10))
    assert found.rate_hz == pytest.approx(99.84, rel=1e-4)
    assert (found.jitter_ms, found.change, found.pauses, found.jumps) == (0.0, None, (), ())


def test_bursts_of_usb_do_not_change_the_rate() -> None:
    frames, at_s = steady(400, 10)
    burst = np.ceil(at_s / 0.016) * 0.016  # handed over every 16 ms
    found = measure(frames, burst)
    assert found.rate_hz == pytest.approx(400, rel=2e-3)
    assert found.change is None
    assert found.jitter_ms is not None and 2 < found.jitter_ms < 16


def test_a_busy_machine_is_no_pause() -> None:
    frames, at_s = steady(100, 10)
    held = np.where((at_s > 4) & (at_s < 6), 6.0, at_s)
    found = measure(frames, held)
    assert found.pauses == ()
    assert found.rate_hz == pytest.approx(100, rel=0.03)


def test_a_device_that_was_silent_is_a_pause_of_as_many_frames() -> None:
    frames, at_s = steady(100, 10)
    at_s = np.where(frames > 400, at_s + 3.0, at_s)
    (pause,) = measure(frames, at_s).pauses
    assert (pause.at, pause.seconds) == (400, 3.0)
    assert pause.missing == pytest.approx(300, abs=3)


def test_a_rate_that_changes_is_said() -> None:
    first, second = steady(50, 8), steady(100, 8)
    frames = np.concatenate([first[0], second[0] + first[0][-1]])
    change = measure(frames, np.concatenate([first[1], second[1] + 8])).change
    assert change is not None
    assert change.before == pytest.approx(50, rel=0.02)
    assert change.after == pytest.approx(100, rel=0.1)
    assert change.at_s == pytest.approx(8, abs=1)


@pytest.mark.parametrize("by_s", [3600.0, -3600.0, 5.0])
def test_a_clock_that_is_set_leaves_the_rate_as_it_was(by_s: float) -> None:
    frames, at_s = steady(100, 10, 10)
    found = measure(frames, np.where(frames > 500, at_s + by_s, at_s))
    assert found.rate_hz == pytest.approx(100, rel=1e-3)
    assert found.jumps == (pytest.approx(by_s, abs=0.01),)


def test_too_little_is_not_measured() -> None:
    assert measure(*steady(100, 0.3)) == Measured()
    assert measure(np.array([1, 2, 3, 400]), np.zeros(4)) == Measured()
    assert measure(np.zeros(0, np.int64), np.zeros(0)) == Measured()
