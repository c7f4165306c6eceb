"""A recording as a source or a file gives it: physical values, before checks, split and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tinyops.datasets.index import IndexRow
from tinyops.specs.model import RecordingsSource, Signal

Values = NDArray[np.float64]


def as_values(numbers: NDArray[Any]) -> Values:
    """The same numbers as float64. A NaN that signals becomes one that does not: what is no number is judged later."""
    with np.errstate(invalid="ignore"):
        return numbers.astype(np.float64)


@dataclass(frozen=True)
class RawRecording:
    """One labelled recording: `values` [T, V] in the channels' units, `where` names its file and line.

    `group` is what must lie on one side of a split as a whole: its subject or its take, by the dataset's spec; "" when
    the recording stands alone. `row` is its line in an index, where it has one.
    """

    id: str
    label: str
    values: Values
    where: str
    group: str = ""
    row: IndexRow | None = None


@dataclass(frozen=True)
class Labelled:
    """What a file format yields: a recording's values, its label ("" when the file holds none), its line or row."""

    label: str
    values: Values
    line: int


@dataclass(frozen=True)
class Leniency:
    """How far a file may differ from the signal and is read all the same. By default not at all.

    `adapt` has what the dataset's spec allows: `rate` (sound is resampled), `size` (images are scaled), `channels`
    (sound of several channels is mixed into one). `columns` maps channels to the names that a table has for them; its
    other columns are then left out. With `repair` the whole frames of a truncated file are taken. `say` is told of all
    that was changed.
    """

    adapt: frozenset[str] = frozenset()
    columns: Mapping[str, str] = field(default_factory=dict)
    repair: bool = False
    say: Callable[[str], None] = lambda _: None


STRICT = Leniency()


def leniency_of(source: RecordingsSource) -> Leniency:
    """What a dataset's spec allows of the files that its index names."""
    return Leniency(adapt=frozenset(source.adapt), columns=source.columns)


class FileFormat(Protocol):
    """A file format: yields what one file holds. Raises SpecError naming `where` and the line."""

    def __call__(
        self, data: bytes, signal: Signal, where: str, leniency: Leniency = STRICT, /
    ) -> Iterator[Labelled]: ...
