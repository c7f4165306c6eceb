"""How often frames really came: measured from the times of blocks, and what those times say besides. Pure.

Times come in bursts (USB hands over what a millisecond or sixteen gathered), stand still when a machine is busy, and
jump when a device's clock is set. So a rate is the slope of a straight line through all points, jumps taken out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POINTS_MAX = 4096
POINTS_MIN, FRAMES_MIN, SPAN_MIN_S = 4, 8, 0.5
JUMP_S = 1.0
CATCH_UP_S = 2.0  # a machine that was busy hands over within it what it held up
ROUNDS, LATE_S = 3, 0.05
WINDOWS, WINDOW_MIN_S, WINDOW_POINTS = 8, 1.0, 6
CHANGED = 0.15  # share by which rates of two windows differ

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Pause:
    """Nothing came for `seconds`, and nothing made up for it: before frame `at`, `missing` frames as far as the rate
    tells."""

    at: int
    seconds: float
    missing: int


@dataclass(frozen=True)
class Change:
    """The rate was `before`, and from about `at_s` into the take it was `after`, Hz."""

    before: float
    after: float
    at_s: float


@dataclass(frozen=True)
class Measured:
    """None where there was too little to measure. `jitter_ms`: how much the time between two blocks varies; `jumps`:
    how far the clock jumped, seconds."""

    rate_hz: float | None = None
    jitter_ms: float | None = None
    change: Change | None = None
    pauses: tuple[Pause, ...] = ()
    jumps: tuple[float, ...] = ()


def measure(frames: NDArray[np.int64], at_s: Numbers) -> Measured:
    """From the number of frames so far at the end of each block, and when that was."""
    if len(frames) < POINTS_MIN or frames[-1] - frames[0] < FRAMES_MIN:
        return Measured()
    usual = _usual_rate(frames, at_s)
    if usual is None:
        return Measured()
    steps, needed = np.diff(at_s), np.diff(frames) / usual
    excess = steps - needed
    left = _left_over(at_s, excess, (np.abs(excess) > np.maximum(JUMP_S, 3 * needed)) | (steps < 0))
    jump = left != 0
    even = np.concatenate([[0.0], np.cumsum(np.where(jump, needed, steps))])
    rate = _steady_slope(frames, even)
    if rate is None or even[-1] < SPAN_MIN_S:
        return Measured()
    residuals = (steps - np.diff(frames) / rate)[~jump]
    jitter_ms = round(float(residuals.std()) * 1000, 3) if len(residuals) else None
    jumps = tuple(round(float(seconds), 3) for seconds in left[jump])
    return Measured(rate, jitter_ms, _change(frames, even), _pauses(frames, left, rate), jumps)


def _left_over(at_s: Numbers, excess: Numbers, flagged: NDArray[np.bool_]) -> Numbers:
    """By how much each flagged step is too long or too short, what follows it taken into account; else 0.

    A machine that was busy hands over at once what it held up: nothing is left over then.
    """
    left = np.zeros(len(excess))
    for number in np.flatnonzero(flagged):
        after = number + 1
        until = np.searchsorted(at_s[after:], at_s[after] + CATCH_UP_S, side="right") + after
        rest = float(excess[number : max(until - 1, after)].sum()) if excess[number] > 0 else float(excess[number])
        left[number] = rest if abs(rest) > JUMP_S / 2 else 0.0
    return left


def _usual_rate(frames: NDArray[np.int64], at_s: Numbers) -> float | None:
    """The median over pieces that are long enough for bursts not to matter."""
    pieces = min(64, max(len(frames) // 8, 1))
    chosen = np.unique(np.linspace(0, len(frames) - 1, pieces + 1).astype(int))
    times, counts = np.diff(at_s[chosen]), np.diff(frames[chosen])
    good = times > 0
    return float(np.median(counts[good] / times[good])) or None if good.any() else None


def _slope(frames: NDArray[np.int64], at_s: Numbers) -> float | None:
    """Frames a second: the straight line through all points, by least squares."""
    step = -(-len(frames) // POINTS_MAX)
    x, y = at_s[::step] - at_s[0], (frames[::step] - frames[0]).astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    square = float((x * x).sum())
    rate = float((x * y).sum()) / square if square > 0 else 0.0
    return rate if rate > 0 and np.isfinite(rate) else None


def _steady_slope(frames: NDArray[np.int64], at_s: Numbers) -> float | None:
    """The slope without the points that are far later than the others: what a busy machine held up."""
    rate = _slope(frames, at_s)
    for _ in range(ROUNDS):
        if rate is None:
            return None
        late = at_s - frames / rate
        middle = float(np.median(late))
        near = late - middle <= max(4 * float(np.median(np.abs(late - middle))), LATE_S)
        if near.sum() < POINTS_MIN:
            return rate
        rate = _slope(frames[near], at_s[near])
    return rate


def _change(frames: NDArray[np.int64], at_s: Numbers) -> Change | None:
    """The first window whose rate differs from that of the first."""
    span = at_s[-1] - at_s[0]
    windows = int(min(WINDOWS, span / WINDOW_MIN_S))
    if windows < 2:
        return None
    edges = np.searchsorted(at_s, np.linspace(at_s[0], at_s[-1], windows + 1)[1:-1])
    first: float | None = None
    for begin, end in zip([0, *edges], [*edges, len(at_s)], strict=True):
        if end - begin < WINDOW_POINTS:
            continue
        rate = _slope(frames[begin:end], at_s[begin:end])
        if rate is not None and first is not None and not 1 - CHANGED < rate / first < 1 + CHANGED:
            last = _slope(frames[begin:], at_s[begin:])
            return Change(first, last or rate, float(at_s[begin]))
        first = first or rate
    return None


def _pauses(frames: NDArray[np.int64], left: Numbers, rate: float) -> tuple[Pause, ...]:
    found = []
    for number in np.flatnonzero(left > 0):
        missing = round(float(left[number]) * rate)
        if missing > 0:
            found.append(Pause(int(frames[number]), round(float(left[number]), 3), missing))
    return tuple(found)
