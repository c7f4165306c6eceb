"""The figures of a squeezed model, as facts: by recording with intervals, for gates and tables. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tinyops.files import JsonObject
from tinyops.recordings import Outcome, Windows, judge
from tinyops.statistics import Scores

# Recall per class and confusion: plainly named for the model that devices run.
_BY_CLASS = {"int8": ("recall", "confusion"), "float": ("recall_float", "confusion_float")}


@dataclass(frozen=True)
class Measured:
    """One model's outcome on the windows of a side, and its class [N] for each."""

    outcome: Outcome
    guesses: NDArray[Any]

    @staticmethod
    def of(outputs: NDArray[Any], windows: Windows, classes: Sequence[str]) -> Measured:
        return Measured(judge(outputs, windows, classes), outputs.argmax(axis=1))


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
        facts["int8_loss"] = _loss(float_, int8)
        facts["int8_changed_windows"] = int((int8.guesses != float_.guesses).sum())
    return facts


def _loss(float_: Measured, int8: Measured) -> float:
    return round(float_.outcome.recordings.accuracy.point - int8.outcome.recordings.accuracy.point, 6)


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


def validation_facts(float_: Measured | None, int8: Measured) -> JsonObject:
    """The int8 model on the validation side, which variants are compared by, and what it lost there.

    A class that it has no recording of has no recall.
    """
    scores = int8.outcome.recordings
    return {
        "accuracy": scores.accuracy.to_json(),
        "windows_accuracy": int8.outcome.windows.accuracy.to_json(),
        "recall": {label: recall.to_json() for label, recall in scores.recall.items() if recall.total},
        "accuracy_float": float_.outcome.recordings.accuracy.to_json() if float_ else None,
        "int8_loss": _loss(float_, int8) if float_ else None,
        "recordings": scores.accuracy.total,
        "windows": len(int8.guesses),
    }
