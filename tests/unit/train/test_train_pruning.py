"""What pruning decides without a network: which channels stay, which weights are zero, how the share of zeros rises."""

from __future__ import annotations

import numpy as np
import pytest

from tinyops.train.techniques.prune_channels import least_removed
from tinyops.train.techniques.prune_weights import mask_of, share_at
from tinyops.train.techniques.registry import TECHNIQUES, all_epochs, rewritten, wanted_by
from tinyops.train.techniques.technique import tuning_epochs


def test_the_least_important_channels_go_and_the_others_keep_their_order() -> None:
    assert list(least_removed(np.array([5.0, 1.0, 4.0, 2.0, 3.0]), 0.4)) == [0, 2, 4]
    assert list(least_removed(np.array([1.0, 1.0, 1.0, 1.0]), 0.5)) == [2, 3]  # the same on every machine
    assert list(least_removed(np.array([2.0, 1.0]), 0.95)) == [0]
    assert list(least_removed(np.ones(10), 0.3)) == list(range(3, 10))  # 0.3 * 10 is 3, not 2.999…


def test_masks_take_the_smallest_magnitudes_exactly() -> None:
    kernel = np.array([[-4.0, 0.5], [0.0, 2.0], [-1.0, 3.0]])
    assert mask_of(kernel, 0.5).tolist() == [[1, 0], [0, 1], [0, 1]]
    assert mask_of(kernel, 0.0).all() and mask_of(np.ones((7, 9)), 0.3).sum() == 63 - 18


def test_zeros_rise_to_their_share_and_stay() -> None:
    shares = [share_at(epoch, 9, 0.8) for epoch in range(9)]
    assert shares == sorted(shares) and shares[5:] == [0.8] * 4 and 0.2 < shares[0] < 0.4
    assert share_at(0, 1, 0.8) == 0.8


@pytest.mark.parametrize(
    ("variant", "epochs"),
    [
        ({}, 10),
        ({"width": 0.5, "depth": 0.5}, 10),
        ({"prune_weights": 0.5}, 14),
        ({"prune_channels": 0.5}, 20),
        ({"prune_channels": 0.5, "prune_weights": 0.5, "width": 0.5}, 24),
    ],
)
def test_tunings_count_as_epochs(variant: dict[str, float], epochs: int) -> None:
    assert all_epochs({"epochs": 10}, variant) == epochs and tuning_epochs({"epochs": 1}) == 1


def test_techniques_act_in_their_order_whatever_the_variant_says() -> None:
    variant = {"prune_weights": 0.5, "width": 0.5, "prune_channels": 0.25}
    assert [(t.field, wanted) for t, wanted in wanted_by(variant)] == [
        *(("width", 0.5), ("prune_channels", 0.25), ("prune_weights", 0.5))
    ]
    assert len({t.field for t in TECHNIQUES}) == len(TECHNIQUES)


def test_an_architecture_is_rewritten_by_every_technique() -> None:
    dense = {"kind": "dense", "units": 8}
    given = {"kind": "layers", "layers": [{"kind": "flatten"}, dense, dense]}
    assert rewritten(given, {"width": 0.5, "depth": 0.5})["layers"] == [{"kind": "flatten"}, dense | {"units": 4}]
