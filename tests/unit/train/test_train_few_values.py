"""Weights of few values: that int8 has as few, whatever the channels, and that they are near to what was learnt."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tinyops.train.rounding.few_values import cut_off, int4_levels, on_levels, table_levels


def kernel(seed: int, channels: int = 6, tail: float = 1.0) -> NDArray[np.float32]:
    """Of channels whose sizes differ by far."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-4, 2, channels)
    return (rng.standard_t(3, (5, 3, 7, channels)) ** tail * scale).astype(np.float32)


def quantised(weights: NDArray[np.float32], axes: tuple[int, ...]) -> NDArray[np.int8]:
    """As the quantiser does it, in float32: 127 steps of the largest magnitude to either side."""
    scale = (np.abs(weights).max(axis=axes, keepdims=True) / np.float32(127)).astype(np.float32)
    return np.round(weights / np.where(scale > 0, scale, 1)).astype(np.int8)


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 1, 2, 3)])
@pytest.mark.parametrize("seed", range(12))
def test_all_channels_have_the_same_few_int8_values(seed: int, axes: tuple[int, ...]) -> None:
    weights = kernel(seed)
    even = np.unique(quantised(on_levels(weights, int4_levels(), axes), axes))
    assert set(even.tolist()) <= {0, *(s * v for s in (-1, 1) for v in (18, 36, 54, 73, 91, 109, 127))}
    table = table_levels(weights, axes)
    assert len(np.unique(quantised(on_levels(weights, table, axes), axes))) <= 16
    assert np.allclose(table * 127, np.round(table * 127), atol=1e-4)  # as int8 has them, in every channel
    assert {-1.0, 0.0, 1.0} <= set(table.tolist()) and (np.diff(table) >= 0).all()


def test_zeros_stay_zeros_and_nothing_is_divided_by_nothing() -> None:
    weights = kernel(1)
    weights[..., 2] = 0
    weights[0] = 0
    for levels in (int4_levels(), table_levels(weights, (0, 1, 2))):
        found = on_levels(weights, levels, (0, 1, 2))
        assert np.isfinite(found).all() and not found[..., 2].any() and not found[0].any()


def test_weights_on_levels_stay_where_they_are() -> None:
    once = on_levels(kernel(2), int4_levels(), (0, 1, 2))
    assert np.allclose(on_levels(once, int4_levels(), (0, 1, 2)), once, rtol=1e-6)


def error(found: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    return float(((found - weights) ** 2).sum())


def test_a_table_is_nearer_than_even_levels_and_cutting_off_helps_these() -> None:
    weights, axes = kernel(3, channels=1), (0, 1, 2)
    even = error(on_levels(weights, int4_levels(), axes), weights)
    limited = error(on_levels(cut_off(weights, axes), int4_levels(), axes), weights)
    table = error(on_levels(weights, table_levels(weights, axes), axes), weights)
    assert table < limited < even


def test_the_same_kernel_gives_the_same_table() -> None:
    first, second = (table_levels(kernel(4), (0, 1, 2)) for _ in range(2))
    assert first.tobytes() == second.tobytes()
