"""What is kept from training to set a threshold by."""

from __future__ import annotations

import numpy as np

from tinyops.train.held_out import hold_out


def test_whole_recordings_are_kept_back() -> None:
    owners = np.repeat(np.arange(10) * 3, 4)
    kept = hold_out(owners)
    assert set(owners[kept]) == {12, 27}
    assert set(owners[~kept]) == {0, 3, 6, 9, 15, 18, 21, 24}


def test_windows_are_kept_back_where_recordings_are_few() -> None:
    assert hold_out(np.zeros(10, np.int64)).tolist() == [False] * 4 + [True] + [False] * 4 + [True]


def test_too_few_windows_keep_nothing_back() -> None:
    assert not hold_out(np.zeros(4, np.int64)).any()
