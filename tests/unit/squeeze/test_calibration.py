"""Which windows calibrate, how many, what is too few, and whose values set a range alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinyops.errors import SpecError
from tinyops.recordings import Windows
from tinyops.squeeze.calibration import calibration_order, require_windows
from tinyops.squeeze.convergence import FIRST_WINDOWS, WINDOWS_LIMIT, Growth, growth, settled, sizes
from tinyops.squeeze.outliers import FACTOR, find_outliers


def windows(labels: list[int], recordings: list[int] | None = None) -> Windows:
    owners = np.array(recordings if recordings is not None else range(len(labels)), np.int64)
    return Windows(np.zeros((len(labels), 1, 1), np.int16), owners, np.array(labels, np.int32))


OWNED = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=100)


@given(OWNED)
def test_every_window_comes_once_and_classes_take_turns(owned: list[tuple[int, int]]) -> None:
    labels = [label for label, _ in owned]
    order = calibration_order(windows(labels, [10 * label + owner for label, owner in owned]))
    assert sorted(order.tolist()) == list(range(len(labels)))
    least = min(Counter(labels).values())
    turns = [labels[i] for i in order[: least * len(set(labels))]]
    assert set(Counter(turns).values()) == {least}


def test_recordings_of_a_class_take_turns_and_lie_far_apart() -> None:
    order = calibration_order(windows([0] * 32, [i // 4 for i in range(32)]))
    assert [int(i) // 4 for i in order[:8]] == [0, 4, 2, 6, 1, 5, 3, 7]
    assert {int(i) % 4 for i in order[:8]} == {0} and {int(i) % 4 for i in order[8:16]} == {2}


def test_windows_are_doubled_up_to_what_there_is() -> None:
    assert [*sizes(10)] == [10]
    assert [*sizes(FIRST_WINDOWS)] == [FIRST_WINDOWS]
    assert [*sizes(100)] == [32, 64, 100]
    assert [*sizes(10**6)][-1] == WINDOWS_LIMIT


def test_growth_is_the_share_of_the_range_that_is_new() -> None:
    low = np.array([[0, -1], [0, -1], [0, -1], [0, -1]], np.float32)
    high = np.array([[1, 1], [1, 1], [1, 1], [4, 1.5]], np.float32)
    assert growth(low, high, 2, ("a", "b")) == Growth(4, 0.75, "a")
    assert growth(low[:2], high[:2], 0, ("a", "b")) == Growth(2, None, None)
    nothing = np.zeros((4, 1), np.float32)
    assert growth(nothing, nothing, 2, ("a",)).share == 0


def test_ranges_have_settled_after_two_quiet_doublings() -> None:
    first, quiet, loud = Growth(32, None, None), Growth(64, 0.05, "a"), Growth(64, 0.051, "a")
    assert settled([first, quiet, quiet])
    assert not settled([first, quiet]) and not settled([quiet, loud, quiet]) and not settled([])


def test_a_class_without_a_window_is_refused_with_the_counts() -> None:
    with pytest.raises(SpecError, match=r"9 training windows are too few .* none of walk \(rest 9, walk 0\)") as caught:
        require_windows(windows([0] * 9), ("rest", "walk"), {"rest", "walk"})
    assert "record more" in caught.value.hint


def test_few_windows_are_refused_or_said() -> None:
    with pytest.raises(SpecError, match="at least 8 are needed"):
        require_windows(windows([0, 1] * 3), ("rest", "walk"), {"rest", "walk"})
    assert require_windows(windows([0] * 6 + [1] * 3), ("rest", "walk"), {"rest", "walk"}) == (
        "few windows calibrate: 3 of walk",
    )
    assert require_windows(windows([0] * 8), ("rest", "odd"), {"rest"}) == ()  # an anomaly is in no training


def extremes(highs: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Of one tensor, two windows a recording; the second is what the recording reaches."""
    high = np.repeat(np.array(highs, np.float32), 2)[:, None]
    high[::2] /= 2
    return np.zeros_like(high), high


def test_the_recording_that_sets_a_range_alone_is_named() -> None:
    low, high = extremes([1.0, 0.9, 1.1, 1.0, 5.5, 0.8])
    low[:2] = -0.01  # the lowest of all, and no outlier
    owners = np.repeat(np.arange(6) * 3, 2)
    (found,) = find_outliers(low, high, owners, ("conv",), [f"r{i}" for i in range(20)])
    assert (found.tensor, found.factor, found.recordings) == ("conv", 5.01, ("r12",))


@given(st.lists(st.floats(0.1, 1), min_size=5, max_size=40), st.floats(1.01, 100))
@example([1.0] * 8, 0.99 * FACTOR)
@example([1.0] * 8, 1.01 * FACTOR)
def test_a_factor_is_reported_from_the_limit_on(usual: list[float], times: float) -> None:
    top = max(usual)
    low, high = extremes([*usual, top * times])
    owners = np.repeat(np.arange(len(usual) + 1), 2)
    found = find_outliers(low, high, owners, ("t",), [str(i) for i in range(len(usual) + 1)])
    if times >= FACTOR * 1.001:
        assert found[0].recordings == (str(len(usual)),) and found[0].factor == pytest.approx(times, rel=0.01, abs=0.01)
    elif times < FACTOR * 0.999:
        assert found == ()


def test_few_recordings_have_no_outlier_and_an_empty_range_none() -> None:
    low, high = extremes([1.0, 1.0, 1.0, 9.0])
    assert find_outliers(low, high, np.repeat(np.arange(4), 2), ("t",), list("abcd")) == ()
    low, high = extremes([0.0] * 6)
    assert find_outliers(low, high, np.repeat(np.arange(6), 2), ("t",), list("abcdef")) == ()
