"""Rates with Wilson intervals, and confusion matrices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyops.statistics import area_under_curve, rate, score


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        # Known values of the Wilson score interval at 95 %.
        (20, 20, 0.838875, 1.0),
        (0, 20, 0.0, 0.161125),
        (8, 10, 0.490162, 0.943318),
        (1, 29, 0.006113, 0.171755),
    ],
)
def test_wilson_interval_has_the_published_values(right: int, total: int, low: float, high: float) -> None:
    found = rate(right, total)
    assert (found.low, found.high) == (low, high)


@given(st.integers(0, 10_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_an_interval_holds_its_point(case: tuple[int, int]) -> None:
    found = rate(*case)
    assert 0 <= found.low <= found.point <= found.high <= 1
    assert found.low < found.high


def test_more_evidence_narrows_the_interval() -> None:
    few, many = rate(9, 10), rate(900, 1000)
    assert many.high - many.low < few.high - few.low


def test_nothing_observed_says_nothing() -> None:
    assert rate(0, 0).to_json() == {"point": 0.0, "low": 0.0, "high": 1.0, "right": 0, "total": 0}


@pytest.mark.parametrize(("right", "total"), [(3, 2), (-1, 2)])
def test_impossible_counts_are_refused(right: int, total: int) -> None:
    with pytest.raises(ValueError, match="right of"):
        rate(right, total)


def test_confusion_counts_labels_in_rows_and_predictions_in_columns() -> None:
    found = score([0, 0, 1, 1, 1], [0, 1, 1, 1, 0], ["rest", "walk"])
    assert found.confusion == ((1, 1), (1, 2))
    assert (found.accuracy.right, found.accuracy.total) == (3, 5)
    assert (found.recall["walk"].right, found.recall["walk"].total) == (2, 3)


def test_labels_and_predictions_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="argument"):
        score([0, 1], [0], ["a", "b"])


@pytest.mark.parametrize(
    ("scores", "positive", "area"),
    [
        ([0.1, 0.2, 0.8, 0.9], [False, False, True, True], 1.0),
        ([0.1, 0.2, 0.8, 0.9], [True, True, False, False], 0.0),
        ([0.5, 0.5, 0.5], [True, False, True], 0.5),
        ([0.1, 0.4, 0.35, 0.8], [False, False, True, True], 0.75),
    ],
)
def test_the_area_under_the_curve(scores: list[float], positive: list[bool], area: float) -> None:
    assert area_under_curve(scores, positive) == area


def test_an_area_takes_both_kinds() -> None:
    with pytest.raises(ValueError, match="positives and negatives"):
        area_under_curve([0.1, 0.2], [True, True])
