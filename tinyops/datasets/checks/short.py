"""Recordings shorter than a model's window: training could make nothing of them, and stops."""

from __future__ import annotations

from collections.abc import Iterator

from tinyops.datasets.checks.kind import Evidence, Found, noted, number_of


def check_short(data: Evidence) -> Iterator[Found]:
    """By the longest window of the models that are trained on the dataset."""
    if not data.windows:
        return
    model = max(sorted(data.windows), key=lambda name: data.windows[name])
    window, rate_hz = data.windows[model], data.spec.signal.rate_hz or 1.0
    short = [
        (row, f"{row.entry.length:,} frames")
        for row in data.labelled
        if row.entry.length is not None and row.entry.length < window
    ]
    if short:
        message = f"{number_of(len(short))} shorter than a window of model {model}: {window:,} frames"
        hint = f"leave them out, or make input.window_s of {model} shorter than {window / rate_hz:g}"
        yield Found(message, noted(short), hint)
