"""Adding recordings to an index: the bytes first, each at the place of its digest, then the lines, at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyops.datasets.editing import edit_index
from tinyops.datasets.index import IndexEntry
from tinyops.datasets.objects import Folder, Shelf, data_folder
from tinyops.datasets.take import SUFFIX, Take, take_bytes
from tinyops.errors import SpecError
from tinyops.files import digest_bytes

COUNT_STEPS = 32768  # int16 counts from zero to full scale
MAGNITUDE_MAX = 1e39  # beyond float32: an index that says much more could not be read back


@dataclass(frozen=True)
class Addition:
    """A file and what its line will say. `sha256` and `bytes` of the line are filled in from the file."""

    data: bytes
    entry: IndexEntry


@dataclass(frozen=True)
class Added:
    """The lines as they now stand in the index, and those left out because the same recording stands there already."""

    entries: tuple[IndexEntry, ...]
    repeated: tuple[IndexEntry, ...]


def add_recordings(index: Path, additions: Sequence[Addition], shelf: Shelf | None = None) -> Added:
    """Adds files and their lines; `shelf` is where the bytes go, absent: the folder beside the index.

    The bytes are durable before a line names them. A line whose digest (and piece) the index has already is left out.
    Raises SpecError for an index or a line that is wrong, ToolError for a full disk: the index is then as it was.
    """
    shelf = Folder(data_folder(index)) if shelf is None else shelf
    entries = [replace(a.entry, sha256=digest_bytes(a.data), bytes=len(a.data)) for a in additions]
    for addition, entry in zip(additions, entries, strict=True):
        shelf.write(entry.path, addition.data)
    return add_entries(index, entries)


def add_entries(index: Path, entries: Sequence[IndexEntry]) -> Added:
    """Adds lines whose files lie at their place already."""
    added: list[IndexEntry] = []
    repeated: list[IndexEntry] = []

    def change(old: tuple[IndexEntry, ...]) -> Iterable[IndexEntry]:
        pieces = {(e.sha256, e.begin) for e in old}
        files = {e.sha256 for e in old}
        for entry in entries:
            known = entry.sha256 in files if entry.begin is None else (entry.sha256, entry.begin) in pieces
            (repeated if known else added).append(entry)
            pieces.add((entry.sha256, entry.begin))
            files.add(entry.sha256)
        return (*old, *added)

    edit_index(index, change)
    return Added(tuple(added), tuple(repeated))


def take_addition(
    take: Take, *, label: str = "", subject: str = "", name: str = "", limits: Sequence[float] | None = None
) -> Addition:
    """A take, and its line with its statistics; `limits` as in `with_statistics`."""
    facts = take.facts
    rate_hz = facts.rate_hz if facts.clock.measured_hz is None else facts.clock.measured_hz
    entry = IndexEntry(
        sha256="",
        label=label,
        subject=subject,
        take=name,
        device=facts.device,
        time=facts.started,
        frames=len(take.values),
        rate_hz=rate_hz,
        lost=facts.lost,
        gap=max((count for _, count in facts.gaps), default=None),
        format=SUFFIX,
    )
    described = with_statistics(entry, take.values, len(facts.channels), facts.full_scale, limits=limits)
    return Addition(take_bytes(take), described)


def with_statistics(
    entry: IndexEntry,
    values: NDArray[Any],
    channels: int,
    full_scale: Sequence[float] | None = None,
    *,
    limits: Sequence[float] | None = None,
) -> IndexEntry:
    """The line with `low`, `high`, `mean`, `spread` of each channel, and `clipped` where full scale is known.

    `values` [T, V] are counts when `full_scale` is given, else in the channels' units, and then `limits` is the full
    scale that they are judged by. Raises SpecError for values that are no numbers.
    """
    flat = values.reshape(-1, channels)
    if not len(flat) or not np.isfinite(flat).all():
        raise SpecError(f"{entry.take or 'a recording'}: holds no values, or values that are no numbers")
    unit = np.ones(channels) if full_scale is None else np.array(full_scale, np.float64) / COUNT_STEPS
    low, high = flat.min(axis=0) * unit, flat.max(axis=0) * unit
    if max(-low.min(), high.max()) > MAGNITUDE_MAX:
        raise SpecError(
            f"{entry.take or 'a recording'}: holds values beyond {MAGNITUDE_MAX:g}, which no sensor measures"
        )
    mean, spread = flat.mean(axis=0, dtype=np.float64) * unit, flat.std(axis=0, dtype=np.float64) * unit
    ends = full_scale if limits is None else limits
    clipped = None if ends is None else clipped_values(flat, ends, counts=full_scale is not None)
    return replace(
        entry, low=_floats(low), high=_floats(high), mean=_floats(mean), spread=_floats(spread), clipped=clipped
    )


def _floats(row: NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(number) for number in row)


def clipped_values(flat: NDArray[Any], full_scale: Sequence[float], *, counts: bool) -> int:
    """How many values [N, C] are at the ends of what a sensor can say."""
    if counts:
        return int(((flat == COUNT_STEPS - 1) | (flat == -COUNT_STEPS)).sum())
    steps = np.round(flat / np.array(full_scale, np.float64) * COUNT_STEPS)
    return int(((steps >= COUNT_STEPS - 1) | (steps <= -COUNT_STEPS)).sum())
