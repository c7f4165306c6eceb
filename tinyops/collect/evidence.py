"""What the files of a dataset say, as checks see it: lines of indexes with the statistics of the real values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from tinyops.datasets.adding import with_statistics
from tinyops.datasets.checks import Evidence, judge
from tinyops.datasets.checks.kind import number_of, places
from tinyops.datasets.findings import PLACES_SHOWN, Finding
from tinyops.datasets.index import IndexEntry, IndexRow
from tinyops.datasets.recording import RawRecording, Values
from tinyops.specs.model import DatasetSpec

# An index has five digits; what differs by more was not written by tinyops, or the file is read otherwise now.
TOLERANCE = 1e-3


def judge_files(
    raw: Sequence[RawRecording], digests: Sequence[str], spec: DatasetSpec
) -> tuple[Evidence, list[Finding]]:
    """What the recordings are, and what is to be said of them. `digests` are of their contents."""
    pairs = [*_described(raw, digests, spec)]
    evidence = Evidence(spec, tuple(row for row, _ in pairs))
    untrue = [row for row, said in pairs if said is not None and not _agrees(said, row.entry, spec)]
    findings = [*judge(evidence)]
    if untrue:
        message = f"{number_of(len(untrue))} whose line in the index says other values than the file holds"
        hint = "`tinyops plan` judges by the index: remove their statistics from it, or add the files again"
        findings.append(Finding("index", "warning", message, tuple(places(untrue)[:PLACES_SHOWN]), len(untrue), hint))
    return evidence, findings


def _described(
    raw: Sequence[RawRecording], digests: Sequence[str], spec: DatasetSpec
) -> Iterator[tuple[IndexRow, IndexEntry | None]]:
    """A row for each line of an index, however many pieces gaps make of it, with what the line said; for each
    recording that has no line, one without."""
    numbered = zip(raw, digests, strict=True)
    for row, group in groupby(numbered, key=lambda pair: pair[0].row):
        members = [*group]
        if row is not None:
            entry = _measured(row.entry, [recording.values for recording, _ in members], spec)
            yield replace(row, entry=entry), row.entry
            continue
        for recording, digest in members:
            entry = _measured(IndexEntry(digest, recording.label, file=recording.id), [recording.values], spec)
            yield IndexRow(entry, recording.where, 0), None


def _measured(entry: IndexEntry, values: Sequence[Values], spec: DatasetSpec) -> IndexEntry:
    signal = spec.signal
    whole = values[0] if len(values) == 1 else np.concatenate(values)
    measured = with_statistics(entry, whole, len(signal.channels), limits=signal.full_scale)
    low, high, mean, spread = (tuple(float(f"{v:.5g}") for v in getattr(measured, name)) for name in _STATISTICS)
    frames = measured.frames or len(whole)
    return replace(measured, frames=frames, low=low, high=high, mean=mean, spread=spread)


_STATISTICS = ("low", "high", "mean", "spread")


def _agrees(said: IndexEntry, found: IndexEntry, spec: DatasetSpec) -> bool:
    """Whether the line says what the file holds, as far as it says anything."""
    for name in _STATISTICS:
        written, real = getattr(said, name), getattr(found, name)
        near = (abs(a - b) <= TOLERANCE * s for a, b, s in zip(written, real, spec.signal.full_scale, strict=False))
        if written and (len(written) != len(real) or not all(near)):
            return False
    return True
