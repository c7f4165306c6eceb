"""Files of others, made ready to be added to an index: read as the dataset's signal, described, named.

What is kept are the file's own bytes. Only where its values cannot be read as they stand (other columns, rows of
several classes, a truncated file) they become a take.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np

from tinyops.datasets.adding import with_statistics
from tinyops.datasets.formats import format_named
from tinyops.datasets.index import IndexEntry
from tinyops.datasets.lfs import pointed_at, pull_command
from tinyops.datasets.naming import name_of
from tinyops.datasets.objects import FILE_LIMIT_BYTES
from tinyops.datasets.recording import STRICT, Leniency, Values
from tinyops.datasets.searching import Item
from tinyops.datasets.tables import Run, runs_of
from tinyops.datasets.take import SUFFIX, Clock, Take, TakeFacts, read_take, take_bytes
from tinyops.errors import SpecError, UsageError
from tinyops.files import digest_bytes, read_bounded
from tinyops.specs.model import Signal

RATE_TOLERANCE = 0.02


@dataclass(frozen=True)
class Wish:
    """What the files are, as whoever adds them says. A rule finds a name in a file's path, a column in its rows."""

    label: str = ""
    subject: str = ""
    label_rule: re.Pattern[str] | None = None
    subject_rule: re.Pattern[str] | None = None
    take_rule: re.Pattern[str] | None = None
    label_column: str = ""
    subject_column: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    rate_hz: float | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    repair: bool = False
    allowed: Leniency = STRICT  # by the dataset's spec


@dataclass(frozen=True)
class Prepared:
    """A file's lines, the bytes to keep, and what had to be said of it."""

    entries: tuple[IndexEntry, ...]
    data: bytes
    notes: tuple[str, ...] = ()


def prepare(item: Item, wish: Wish, signal: Signal) -> Prepared:
    """One file, read and described. Raises SpecError for one that cannot be read as the signal."""
    path = item.path
    data = read_bounded(path, FILE_LIMIT_BYTES)
    if pointed_at(data) is not None:
        raise SpecError(f"{path}: is a Git LFS pointer, its content is not here", hint=pull_command(path))
    if item.lines and digest_bytes(data) != item.lines[0].sha256:
        said = f"its index says {item.lines[0].sha256}, it is {digest_bytes(data)}"
        raise SpecError(f"{path}: has changed: {said}", hint="bring the file back")
    kind, notes = item.kind, list[str]()
    leniency = _leniency(wish, signal, notes)
    values = _values(data, kind, signal, path, leniency)
    if item.lines:
        return _as_described(item, data, wish)
    entry = _line(path, data, kind, len(values), wish, signal)
    runs = _runs(data, kind, len(values), wish, str(path))
    if leniency.columns != wish.allowed.columns or notes:
        take = converted(values, signal, wish.rate_hz)
        data, entry = take_bytes(take), replace(entry, format=SUFFIX)
    digest = digest_bytes(data)
    entry = replace(entry, sha256=digest, bytes=len(data))
    return Prepared(tuple(_piece(entry, run, values, wish, signal) for run in runs), data, tuple(notes))


def _values(data: bytes, kind: str, signal: Signal, path: Path, leniency: Leniency) -> Values:
    found = list(format_named(kind, str(path))(data, signal, str(path), leniency))
    if any(item.label for item in found):
        raise SpecError(f"{path}: holds recordings of several classes", hint="a source of kind files or wheel reads it")
    values = np.concatenate([item.values for item in found])
    refuse_no_numbers(values, signal, str(path))
    return values


def _as_described(item: Item, data: bytes, wish: Wish) -> Prepared:
    """A file of another index, whose lines say what it is; what they leave open, whoever adds it says."""
    lines = (
        replace(
            line,
            label=wish.renamed.get(line.label, line.label) or wish.label,
            subject=line.subject or wish.subject,
            bytes=len(data),
            format=item.kind,
            file="",
        )
        for line in item.lines
    )
    return Prepared((*lines,), data)


def _leniency(wish: Wish, signal: Signal, notes: list[str]) -> Leniency:
    """How the file is read: as the spec allows, and as whoever adds it says."""
    columns = wish.columns or wish.allowed.columns
    if not columns and (wish.label_column or wish.subject_column):
        columns = {signal.channels[0]: signal.channels[0]}  # the label's own column is left out
    return replace(wish.allowed, columns=columns, repair=wish.repair, say=notes.append)


def _line(path: Path, data: bytes, kind: str, frames: int, wish: Wish, signal: Signal) -> IndexEntry:
    """What holds for all pieces of a file."""
    place = PurePosixPath(path.absolute().as_posix())
    entry = IndexEntry(
        sha256="",
        label=wish.label if wish.label_rule is None else name_of(place, wish.label_rule, "--label-from"),
        subject=wish.subject if wish.subject_rule is None else name_of(place, wish.subject_rule, "--subject-from"),
        take="" if wish.take_rule is None else name_of(place, wish.take_rule, "--take-from"),
        frames=frames,
        rate_hz=wish.rate_hz if kind != "wav" else signal.rate_hz,
        format=kind,
    )
    if wish.rate_hz is not None and signal.rate_hz is not None:
        _refuse_rate(wish.rate_hz, signal.rate_hz)
    if kind != SUFFIX:
        return entry
    facts = read_take(data, str(path)).facts
    rate_hz = facts.rate_hz if facts.clock.measured_hz is None else facts.clock.measured_hz
    return replace(entry, device=facts.device, time=facts.started, rate_hz=rate_hz, lost=facts.lost)


def _refuse_rate(found_hz: float, wanted_hz: float) -> None:
    if abs(found_hz - wanted_hz) > RATE_TOLERANCE * wanted_hz:
        raise UsageError(
            f"--rate {found_hz:g}: the dataset's signal has rate_hz: {wanted_hz:g}",
            hint="resample the files before they are added, or change the signal",
        )


def _runs(data: bytes, kind: str, frames: int, wish: Wish, where: str) -> list[Run]:
    """The pieces of a file, with label and subject where its columns say them."""
    names = [name for name in (wish.label_column, wish.subject_column) if name]
    if not names:
        return [Run(0, frames, ())]
    runs = runs_of(data, kind, names, where)
    if runs[-1].end != frames:
        raise SpecError(f"{where}: has {frames:,} frames and {runs[-1].end:,} rows")
    return runs


def _piece(entry: IndexEntry, run: Run, values: Values, wish: Wish, signal: Signal) -> IndexEntry:
    texts = list(run.texts)
    label = texts.pop(0) if wish.label_column else entry.label
    subject = texts.pop(0) if wish.subject_column else entry.subject
    whole = (run.begin, run.end) == (0, len(values))
    piece = replace(
        entry,
        label=wish.renamed.get(label, label),
        subject=subject,
        begin=None if whole else run.begin,
        end=None if whole else run.end,
    )
    return with_statistics(piece, values[run.begin : run.end], len(signal.channels), limits=signal.full_scale)


def converted(values: Values, signal: Signal, rate_hz: float | None) -> Take:
    """Values in the signal's units as a take."""
    facts = TakeFacts(
        sensor=signal.sensor,
        channels=signal.channels,
        units=signal.units,
        rate_hz=signal.rate_hz,
        size=signal.size,
        clock=Clock(source="file", measured_hz=rate_hz),
        started="",
    )
    return Take(facts, values.astype(np.float32))


def refuse_no_numbers(values: Values, signal: Signal, where: str) -> None:
    """Raises SpecError for values that no sensor sends."""
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        frame, value = (int(i) for i in bad[0])
        channel = signal.channels[value % len(signal.channels)]
        more = f" ({len(bad):,} such values)" if len(bad) > 1 else ""
        raise SpecError(
            f"{where}: {values[frame, value]} in frame {frame}, channel {channel}{more}",
            hint="leave these frames out, or export the file again",
        )
