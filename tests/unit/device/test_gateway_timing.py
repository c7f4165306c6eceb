"""When devices are looked at: intervals, back-off, and the windows of devices that sleep."""

from __future__ import annotations

import random

import pytest

from tinyops.device.gateway.timing import BACK_OFF_MAX_S, MISSED_MAX, Rhythm, Wake, after_look

WAKE = Wake(every_s=600, for_s=30)


def look(rhythm: Rhythm, wake: Wake | None = None, **given: object) -> tuple[Rhythm, float]:
    settled = {"answered": True, "failed": False, "now": 1000.0, "interval_s": 300.0, "chance": 0.5, **given}
    return after_look(rhythm, wake, **settled)  # type: ignore[arg-type]


def test_a_device_is_looked_at_each_interval_and_later_after_failures() -> None:
    rhythm, due = look(Rhythm())
    assert (rhythm, due) == (Rhythm(), 1300)
    waits = []
    for _ in range(8):
        rhythm, due = look(rhythm, failed=True)
        waits.append(due - 1000)
    assert waits == [600, 1200, 2400, 3600, 3600, 3600, 3600, 3600] and max(waits) == BACK_OFF_MAX_S
    assert look(rhythm)[0] == Rhythm()


def test_a_device_that_is_not_there_is_looked_for_each_interval() -> None:
    assert look(Rhythm(3), answered=False) == (Rhythm(4), 1300)


def test_jitter_keeps_within_a_tenth() -> None:
    assert [look(Rhythm(), chance=chance)[1] for chance in (0, 1)] == [1270, 1330]


def simulate(phase: float, looks: int, *, drift: float = 0.0, dies: range = range(0)) -> tuple[int, int]:
    """Looks at a device that wakes each WAKE.every_s seconds, first at `phase`; how many were made, and windows hit."""
    rhythm, now, hit = Rhythm(), 0.0, set()
    for _ in range(looks):
        period = WAKE.every_s * (1 + drift)
        number = int((now - phase) // period)
        awake = now >= phase and (now - phase) % period < WAKE.for_s and number not in dies
        if awake:
            hit.add(number)
        rhythm, due = look(rhythm, WAKE, answered=awake, now=now)
        assert due > now
        now = due
    return int((now - phase) // period) + 1, len(hit)


@pytest.mark.parametrize("seed", range(20))
def test_every_window_is_hit_once_its_phase_is_known(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    windows, hit = simulate(chance.uniform(0, 600), 500, drift=chance.uniform(-0.01, 0.01))
    assert hit >= windows - 2 and windows > 50


def test_knocking_is_rare_once_the_phase_is_known() -> None:
    windows, _ = simulate(100.0, 500)
    assert 500 / windows < 6


def test_a_device_that_missed_windows_is_searched_for_anew() -> None:
    windows, hit = simulate(100.0, 900, dies=range(10, 10 + MISSED_MAX + 2))
    assert windows > 25 and hit >= windows - (MISSED_MAX + 2) - 3


def test_a_device_that_wakes_at_another_time_than_before_is_found_again() -> None:
    """It was switched off and on: what was known of its phase is wrong."""
    rhythm, now, hits = Rhythm(), 0.0, []
    for _ in range(600):
        phase = 100.0 if now < 6000 else 400.0
        awake = (now - phase) % WAKE.every_s < WAKE.for_s
        if awake:
            hits.append(now)
        rhythm, now = look(rhythm, WAKE, answered=awake, now=now)
    late = [hit for hit in hits if hit > 12_000]
    assert len(late) > 20 and all(370 < hit % 600 < 440 for hit in late)


def test_a_failure_is_tried_again_within_the_same_window() -> None:
    rhythm, due = look(Rhythm(), WAKE, failed=True)
    assert due == 1010 and rhythm.window_s == 1000
    rhythm, due = look(rhythm, WAKE, failed=True, now=1025.0)
    assert due == 1000 + WAKE.every_s - WAKE.margin_s
