"""A recording as a source gives it: physical values, before checks, split and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tinyops.artifacts import Progress
from tinyops.specs.model import DatasetSpec, Signal

Values = NDArray[np.float64]


@dataclass(frozen=True)
class RawRecording:
    """One labelled recording: `values` [T, V] in the channels' units, `where` names its file and line."""

    id: str
    label: str
    values: Values
    where: str


@dataclass(frozen=True)
class Labelled:
    """What a file format yields: a recording's values, its label ("" when the file holds none), its line or row."""

    label: str
    values: Values
    line: int


@dataclass(frozen=True)
class Reading:
    """What a source may use: the dataset's spec, the path of its index, a way to say how far it is."""

    dataset: DatasetSpec
    index: Path | None
    report: Callable[[Progress], None]


class SourceKind(Protocol):
    """A kind of data source: yields recordings in an order that depends on nothing but the pinned bytes.

    `source` is the spec's entry of that kind. Checks the digest of every byte before it reads it and
    keeps every size bounded. Raises SpecError for content that is wrong and RemoteError for what
    could not be fetched.
    """

    def __call__(self, source: Any, reading: Reading) -> Iterator[RawRecording]: ...


class FileFormat(Protocol):
    """A file format: yields what one file holds. Raises SpecError naming `where` and the line."""

    def __call__(self, data: bytes, signal: Signal, where: str) -> Iterator[Labelled]: ...
