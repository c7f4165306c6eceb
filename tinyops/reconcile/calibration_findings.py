"""What calibration found of the datasets that models were trained on: recordings that set a range alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tinyops.artifacts import Record
from tinyops.datasets.findings import Finding
from tinyops.files import JsonObject
from tinyops.plan.findings import DataFinding

CHECK = "calibration"
HINT = "look whether they are what the sensor should see; everything else shares what is left of int8's 256 steps"


def calibration_findings(
    records: Mapping[str, Record], released: Mapping[str, Record], datasets: Mapping[str, str]
) -> Iterator[DataFinding]:
    """One at most for each model that was squeezed anew, of whichever variant comes first; `datasets` is by model."""
    seen: set[str] = set()
    for step, record in sorted(records.items()):
        kind, _, subject = step.partition(":")
        model = subject.partition("/")[0]
        if kind != "squeeze" or model in seen or model not in datasets or released.get(step) == record:
            continue
        seen.add(model)
        found = record.facts.get("calibration") or {}
        if outliers := found.get("outliers"):
            yield DataFinding(datasets[model], _outlier(subject, outliers[0]))


def _outlier(subject: str, outlier: JsonObject) -> Finding:
    named = tuple(map(str, outlier["recordings"]))
    message = f"the range of {outlier['tensor']} in {subject} is {outlier['factor']:g} times as wide as without"
    return Finding(CHECK, "warning", message, named, len(named), HINT)
