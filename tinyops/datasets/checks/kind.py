"""What the checks of a dataset have in common: what they look at, what they say, how one is added."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from tinyops.datasets.index import IndexRow
from tinyops.datasets.population import Population
from tinyops.datasets.split import Piece, entry_group, place_units
from tinyops.specs.dataset import DatasetSpec


@dataclass(frozen=True)
class Evidence:
    """What is known of a dataset without its files.

    `complete` says that no source has recordings that `rows` lacks. `windows` are the frames that a window of each
    model takes, `released` is what the last release was made of.
    """

    spec: DatasetSpec
    rows: tuple[IndexRow, ...]
    complete: bool = True
    windows: Mapping[str, int] = field(default_factory=dict)
    released: Population | None = None

    @cached_property
    def labelled(self) -> tuple[IndexRow, ...]:
        """Those of a class: a label that is none is said once, by the check of labels."""
        classes = frozenset(self.spec.classes)
        return tuple(row for row in self.rows if row.entry.label in classes)

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """What a split sees of `labelled`."""
        by = self.spec.split.by
        return tuple(Piece(r.entry.label, entry_group(r.entry, by), r.entry.sha256) for r in self.labelled)

    @cached_property
    def sides(self) -> tuple[bool, ...]:
        """Of each in `labelled`, whether it is for the test."""
        test = place_units(self.pieces, self.spec.split)
        return tuple(piece.unit in test for piece in self.pieces)


@dataclass(frozen=True)
class Found:
    """What a check says: a sentence, the recordings that it is about, what to do. `always`: an error whatever the
    spec says."""

    message: str
    places: Sequence[str] = ()
    hint: str = ""
    always: bool = False


class Check(Protocol):
    """A check: yields what is wrong. Pure, without numpy, and quick: `plan` runs it over every line of an index.

    A new one is a file here that holds such a function, a line in `CHECKS`, and its settings in `specs/checks.py`
    under the same name, unless it is an error always.
    """

    def __call__(self, data: Evidence, /) -> Iterator[Found]: ...


def places(rows: Iterable[IndexRow]) -> list[str]:
    """Where they stand."""
    return [row.where for row in rows]


def noted(rows: Iterable[tuple[IndexRow, str]]) -> list[str]:
    """Where they stand, each with a figure."""
    return [f"{row.where}: {text}" for row, text in rows]


def number_of(count: int, noun: str = "recording") -> str:
    """`1 recording`, `1,204 recordings`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
