"""The figures of a squeezed model, as facts: by recording with intervals, for gates and tables. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tinyops.files import JsonObject
from tinyops.recordings import Outcome
from tinyops.statistics import Scores

# Recall per class and confusion: plainly named for the model that devices run.
_BY_CLASS = {"int8": ("recall", "confusion"), "float": ("recall_float", "confusion_float")}


@dataclass(frozen=True)
class Measured:
    """One model's outcome on the test windows, and its class [N] for each."""

    outcome: Outcome
    guesses: NDArray[Any]


def metrics(float_: Measured | None, int8: Measured | None, recordings: Mapping[str, int] | None) -> JsonObject:
    """Facts of both models; what was not measured is None. `recordings` counts them by side.

    `int8_loss` is how much accuracy by recordings int8 costs (negative: it gained); `int8_changed_windows`
    counts the windows whose class differs.
    """
    facts: JsonObject = {"recordings": None, "windows": None, "int8_loss": None, "int8_changed_windows": None}
    for name, measured in (("float", float_), ("int8", int8)):
        facts |= _model_facts(name, measured)
    if int8 is not None and recordings is not None:
        facts["recordings"] = dict(recordings)
        facts["windows"] = {"test": len(int8.guesses)}
    if int8 is not None and float_ is not None:
        loss = float_.outcome.recordings.accuracy.point - int8.outcome.recordings.accuracy.point
        facts["int8_loss"] = round(loss, 6)
        facts["int8_changed_windows"] = int((int8.guesses != float_.guesses).sum())
    return facts


def _model_facts(name: str, measured: Measured | None) -> JsonObject:
    keys = (f"accuracy_{name}", f"windows_accuracy_{name}", *_BY_CLASS[name])
    if measured is None:
        return dict.fromkeys(keys)
    scores: Scores = measured.outcome.recordings
    values = (
        scores.accuracy.to_json(),
        measured.outcome.windows.accuracy.to_json(),
        {label: r.to_json() for label, r in scores.recall.items()},
        [list(row) for row in scores.confusion],
    )
    return dict(zip(keys, values, strict=True)) | {"classes": list(scores.classes)}


def validation_facts(outcome: Outcome, windows: int) -> JsonObject:
    """The int8 model on the validation side, which variants are compared by. A class that it has no recording of has
    no recall."""
    scores = outcome.recordings
    return {
        "accuracy": scores.accuracy.to_json(),
        "windows_accuracy": outcome.windows.accuracy.to_json(),
        "recall": {label: recall.to_json() for label, recall in scores.recall.items() if recall.total},
        "recordings": scores.accuracy.total,
        "windows": windows,
    }
