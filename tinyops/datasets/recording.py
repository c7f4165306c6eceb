"""A recording as a source or a file gives it: physical values, before checks, split and counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tinyops.specs.model import Signal

Values = NDArray[np.float64]


@dataclass(frozen=True)
class RawRecording:
    """One labelled recording: `values` [T, V] in the channels' units, `where` names its file and line.

    `group` is what must lie on one side of a split as a whole: its subject or its take, by the dataset's spec; "" when
    the recording stands alone.
    """

    id: str
    label: str
    values: Values
    where: str
    group: str = ""


@dataclass(frozen=True)
class Labelled:
    """What a file format yields: a recording's values, its label ("" when the file holds none), its line or row."""

    label: str
    values: Values
    line: int


class FileFormat(Protocol):
    """A file format: yields what one file holds. Raises SpecError naming `where` and the line."""

    def __call__(self, data: bytes, signal: Signal, where: str) -> Iterator[Labelled]: ...
