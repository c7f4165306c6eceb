"""What int8 cost a released model: classes, calibration and layers, from the facts of its squeeze steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.releases import Publisher, record
from tinyops.artifacts import Record
from tinyops.errors import UsageError
from tinyops.report.squeezed import calibration_lines, class_rows, layer_line, layer_rows, squeezed_facts


def rate(right: int, total: int) -> dict[str, Any]:
    return {"point": right / total, "low": 0.0, "high": 1.0, "right": right, "total": total}


WORST = {"layer": "conv", "operator": "CONV_2D", "sqnr_db": 12.5, "lost_db": 20.04, "clipped_share": 0.0125}
FACTS: dict[str, Any] = {
    "recall_float": {"rest": rate(10, 10), "walk": rate(9, 10)},
    "recall": {"rest": rate(10, 10), "walk": rate(6, 10)},
    "validation": {"recall": {"walk": rate(3, 4)}},
    "calibration": {
        "windows": 1024,
        "converged": True,
        "warnings": ["few windows calibrate: 3 of walk"],
        "outliers": [{"tensor": "input", "factor": 2.5, "recordings": ["a.csv", "b.csv"]}],
    },
    "layers": {"side": "validation", "windows": 64, "layers": 9, "worst": [WORST]},
}


def test_each_class_before_and_after() -> None:
    assert class_rows(FACTS) == [("rest", "1.000", "1.000", "-", "10/10"), ("walk", "0.900", "0.600", "0.750", "6/10")]
    finished = FACTS | {"recall_float": None, "validation": None}
    assert class_rows(finished)[1] == ("walk", "-", "0.600", "-", "6/10")
    assert class_rows({"recall": None}) == []


def test_calibration_and_its_outliers_are_sentences() -> None:
    assert [*calibration_lines(FACTS)] == [
        "calibrated with 1,024 windows: the ranges had settled",
        "few windows calibrate: 3 of walk",
        "the range of input is 2.5 times as wide for a.csv, b.csv",
    ]
    assert [*calibration_lines({"calibration": None})] == [*calibration_lines({})] == []


def test_the_layers_that_lose_most() -> None:
    assert layer_rows(FACTS) == [("conv", "CONV_2D", "20.0", "12.5", "1.25 %")]
    assert layer_line(FACTS) == "layers that lose most, of 9, in 64 windows of the validation side:"
    quiet = {"side": "train", "windows": 64, "layers": 9, "worst": []}
    assert layer_line({"layers": quiet}) == "no layer of 9 loses 0.1 dB, in 64 windows of the training side"
    assert layer_line({"layers": quiet | {"failed": "it died"}}) == "layers were not compared: it died"
    assert layer_line({}) == "" and layer_rows({}) == []


def test_variants_of_a_model_are_found_in_a_release(tmp_path: Path) -> None:
    made = Publisher(tmp_path).publish().manifest
    steps: dict[str, Record] = {
        s: record(s, {}) for s in ("squeeze:motion/w0.5", "squeeze:motion/int8", "train:motion")
    }
    made = made.model_copy(update={"steps": steps})
    assert [*squeezed_facts(made, "motion")] == ["int8", "w0.5"]
    with pytest.raises(UsageError, match="has no model 'motoin'") as caught:
        squeezed_facts(made, "motoin")
    assert "motion" in caught.value.hint


def test_a_pinned_model_is_called_by_what_it_is(tmp_path: Path) -> None:
    made = Publisher(tmp_path).publish().manifest
    pinned = replace(record("squeeze:motion.0123/int8", {}), facts={"variant": "w0.5-qat"})
    made = made.model_copy(update={"steps": {pinned.step: pinned}})
    assert [*squeezed_facts(made, "motion.0123")] == ["w0.5-qat"]
