"""What a dataset must be before anything is trained on it. Pure: recordings in, sentences out."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from tinyops.datasets.recording import RawRecording
from tinyops.errors import SpecError
from tinyops.specs.model import DatasetSpec

SHOWN = 10
VALUES_LIMIT = 1_000_000_000
MIN_CLASSES = 2


def check_recordings(recordings: Sequence[RawRecording], spec: DatasetSpec) -> None:
    """Raises one SpecError with the first problems of all kinds."""
    problems = [p for recording in recordings for p in recording_problems(recording, spec)]
    problems += list(set_problems(recordings, spec))
    if problems:
        more = [f"… and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise SpecError("\n".join([*problems[:SHOWN], *more]), hint="correct the recordings or the dataset's spec")


def recording_problems(recording: RawRecording, spec: DatasetSpec) -> Iterator[str]:
    """What is wrong with one recording: its label, its shape, values that no sensor sends."""
    if recording.label not in spec.classes:
        near = difflib.get_close_matches(recording.label, spec.classes, n=1, cutoff=0.5)
        guess = f"did you mean {near[0]}?" if near else f"the dataset has {', '.join(spec.classes[:20])}"
        yield f"{recording.where}: the label {recording.label[:40]!r} is not one of the dataset's classes: {guess}"
    values = recording.values
    if values.ndim != 2 or values.shape[1] != spec.signal.frame_values or not len(values):
        wanted = f"frames of {spec.signal.frame_values} values"
        yield f"{recording.where}: its shape is {list(values.shape)}, wanted {wanted}"
        return
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        yield f"{recording.where}: {values[tuple(bad[0])]} in {place(bad[0], spec)} ({len(bad)} such values)"
    elif spec.checks.range is not None:
        yield from _range_problems(recording, spec, *spec.checks.range)


def _range_problems(recording: RawRecording, spec: DatasetSpec, low: float, high: float) -> Iterator[str]:
    outside = np.argwhere((recording.values < low) | (recording.values > high))
    if len(outside):
        value = recording.values[tuple(outside[0])]
        yield (
            f"{recording.where}: {value:g} in {place(outside[0], spec)} is outside checks.range "
            f"{low:g} to {high:g} ({len(outside)} such values)"
        )


def place(index: Sequence[int], spec: DatasetSpec) -> str:
    """`frame 3, channel ax` of a value's position [frame, value]; frames count from 0."""
    frame, value = (int(i) for i in index)
    channels = spec.signal.channels
    text = f"frame {frame}, channel {channels[value % len(channels)]}"
    if spec.signal.size is None:
        return text
    row, column = divmod(value // len(channels), spec.signal.size[1])
    return f"row {row}, column {column}, channel {channels[value % len(channels)]}"


def set_problems(recordings: Sequence[RawRecording], spec: DatasetSpec) -> Iterator[str]:
    """What is wrong with all recordings together: their number, their classes, contradictions."""
    if len(recordings) < len(spec.classes):
        yield f"{len(recordings)} recordings are fewer than the {len(spec.classes)} classes"
    counts = Counter(r.label for r in recordings)
    present = [c for c in spec.classes if counts[c]]
    if len(present) < MIN_CLASSES:
        yield f"all recordings have one class, {present[0] if present else 'an unknown one'}: nothing to tell apart"
    least = max(spec.checks.min_recordings_per_class, 2)  # one for each side of the split
    for name in spec.classes:
        if counts[name] < least:
            yield f"class {name}: {counts[name]} recordings that differ, wanted at least {least}"
    total = sum(r.values.size for r in recordings)
    if total > VALUES_LIMIT:
        yield f"{total:,} values are more than {VALUES_LIMIT:,}"
