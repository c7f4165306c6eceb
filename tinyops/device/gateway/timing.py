"""When a device is looked at next: its interval, its back-off, its wake window. Pure; all times in seconds, `now` is of
a clock that never goes back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

BACK_OFF_MAX_S = 3600.0
JITTER = 0.2
RESETTING_S = 86_400.0  # between two looks at a board that opening its line resets
KNOCKS = 3  # in a window
KNOCK_MIN_S = 0.5
DRIFT = 0.02  # of a period: how far a device's clock may be out when it wakes
MISSED_MAX = 3


@dataclass(frozen=True)
class Wake:
    """A device that sleeps, and answers for `for_s` once in `every_s`."""

    every_s: float
    for_s: float

    @property
    def knock_s(self) -> float:
        return max(KNOCK_MIN_S, self.for_s / KNOCKS)

    @property
    def margin_s(self) -> float:
        return self.knock_s + DRIFT * self.every_s


@dataclass(frozen=True)
class Rhythm:
    """How it went so far: failures in a row; when the last window was entered, None while nobody knows; how many
    windows passed without an answer since."""

    failures: int = 0
    window_s: float | None = None
    missed: int = 0


def spread(delay_s: float, chance: float) -> float:
    """Spread by `chance` in 0 to 1, so that a fleet does not come all at once."""
    return delay_s * (1 - JITTER / 2 + JITTER * chance)


def back_off(interval_s: float, failures: int, chance: float) -> float:
    """Doubled for each failure in a row, up to an hour or the interval."""
    longest = max(interval_s, BACK_OFF_MAX_S)
    return spread(min(interval_s * 2.0 ** min(failures, 20), longest), chance)


def after_look(
    rhythm: Rhythm, wake: Wake | None, *, answered: bool, failed: bool, now: float, interval_s: float, chance: float
) -> tuple[Rhythm, float]:
    """The rhythm after a look, and when the next one is due. `failed`: it answered, and what was begun ended badly."""
    if wake is None:
        failures = rhythm.failures + 1 if failed or not answered else 0
        due = now + (back_off(interval_s, failures, chance) if failed else spread(interval_s, chance))
        return Rhythm(failures), due
    if answered:
        return _awake(rhythm, wake, failed, now)
    return _asleep(rhythm, wake, now)


def _awake(rhythm: Rhythm, wake: Wake, failed: bool, now: float) -> tuple[Rhythm, float]:
    known = rhythm.window_s
    entered = known if known is not None and 0 <= now - known <= wake.for_s + wake.margin_s else now
    failures = rhythm.failures + 1 if failed else 0
    if failed and now + wake.knock_s <= entered + wake.for_s:  # the same window may still do
        return Rhythm(failures, entered), now + wake.knock_s
    return Rhythm(failures, entered), entered + wake.every_s - wake.margin_s


def _asleep(rhythm: Rhythm, wake: Wake, now: float) -> tuple[Rhythm, float]:
    if rhythm.window_s is None:
        return rhythm, now + wake.knock_s
    next_window = rhythm.window_s + wake.every_s
    if now + wake.knock_s <= next_window + wake.for_s + wake.margin_s:
        return rhythm, max(now + wake.knock_s, next_window - wake.margin_s)
    if rhythm.missed + 1 >= MISSED_MAX:
        return Rhythm(rhythm.failures), now + wake.knock_s
    missed = replace(rhythm, window_s=next_window, missed=rhythm.missed + 1)
    return missed, next_window + wake.every_s - wake.margin_s
