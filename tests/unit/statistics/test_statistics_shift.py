"""The population stability index: known values, noise that chance stays below, bins that are empty."""

from __future__ import annotations

import math
import random

import pytest

from tinyops.statistics import shift


def test_the_index_of_equal_shares_is_nothing() -> None:
    assert shift((100, 100), (1000, 1000)).psi == 0.0
    assert not shift((100, 300), (1000, 3000)).is_certain


def test_a_value_by_hand() -> None:
    """Shares 0.5/0.5 against 0.8/0.2: 0.3 ln 1.6 - 0.3 ln 0.4; half a count changes little among millions."""
    expected = 0.3 * math.log(1.6) - 0.3 * math.log(0.4)
    assert shift((5_000_000, 5_000_000), (8_000_000, 2_000_000)).psi == pytest.approx(expected, abs=1e-5)


def test_an_empty_bin_is_no_infinity() -> None:
    found = shift((50, 50, 0), (0, 50, 50))
    assert math.isfinite(found.psi) and found.psi > 1


@pytest.mark.parametrize(("reference", "observed"), [((1,), (1,)), ((1, 2), (1, 2, 3)), ((), ())])
def test_what_cannot_be_compared_is_refused(reference: tuple[int, ...], observed: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="bins"):
        shift(reference, observed)


@pytest.mark.parametrize("bins", [2, 4, 10])
def test_chance_alone_stays_below_the_noise_19_times_in_20(bins: int) -> None:
    """Both histograms drawn from one distribution, 1,000 times."""
    source = random.Random(7)  # noqa: S311
    weights = [1 + number for number in range(bins)]

    def drawn(count: int) -> list[int]:
        found = source.choices(range(bins), weights, k=count)
        return [found.count(number) for number in range(bins)]

    beyond = sum(shift(drawn(300), drawn(700)).is_certain for _ in range(1000))
    assert 20 <= beyond <= 85


def test_fewer_windows_mean_more_noise() -> None:
    few, many = shift((10, 10, 10), (300, 300, 400)), shift((1000, 1000, 1000), (300, 300, 400))
    assert few.noise > many.noise and few.psi == pytest.approx(many.psi, abs=0.02)
