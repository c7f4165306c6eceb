"""In which tenth a model's best output lies, by the type of its outputs."""

from __future__ import annotations

from typing import Any

import pytest

from tinyops.device.runner import TENTHS, TYPE_CODES, _tenth
from tinyops.manifest.report import CONFIDENCE_BINS


@pytest.mark.parametrize(
    ("scores", "kind", "tenth"),
    [
        ([127, -128], "int8", 9),
        ([0, 0], "int8", 5),
        ([-26, -64, -64, -102], "int8", 3),
        ([255, 0], "uint8", 9),
        ([51, 51, 51, 51, 52], "uint8", 2),
        ([16384, 16384], "int16", 5),
        ([1.0, 0.0], "float32", 9),
        ([0.25, 0.25, 0.5], "float32", 5),
        ([100, 100], "int8", None),
        ([-128, -128], "int8", None),
        ([3.5, -2.0], "float32", None),
        ([float("nan"), 1.0], "float32", None),
        ([0, 256], "int32", None),
    ],
)
def test_the_tenth_of_the_best_output(scores: list[Any], kind: str, tenth: int | None) -> None:
    assert kind in TYPE_CODES
    assert _tenth(scores, kind) == tenth


def test_reports_have_a_bin_for_each() -> None:
    assert TENTHS == CONFIDENCE_BINS
