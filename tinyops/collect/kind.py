"""What the kinds of data sources have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tinyops.artifacts import Progress
from tinyops.datasets.recording import RawRecording
from tinyops.specs.model import DatasetSpec


@dataclass(frozen=True)
class Reading:
    """What a source may use: the dataset's spec, its name, the path of its index, a way to say how far it is."""

    dataset: DatasetSpec
    index: Path | None
    report: Callable[[Progress], None]
    name: str = ""


class SourceKind(Protocol):
    """A kind of data source: yields recordings in an order that depends on nothing but the pinned bytes.

    `source` is the spec's entry of that kind. Checks the digest of every byte before it reads it and
    keeps every size bounded. Raises SpecError for content that is wrong and RemoteError for what
    could not be fetched.
    """

    def __call__(self, source: Any, reading: Reading) -> Iterator[RawRecording]: ...
