"""What a dataset is made of, by class and channel: kept with a release, compared with the next. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyops.datasets.index import IndexEntry
from tinyops.files import JsonObject

CELLS_LIMIT = 2_000  # classes times channels; of more only the classes' counts are kept
DIGITS = 5


@dataclass(frozen=True)
class Spread:
    """A figure over the recordings of a class: how many, its mean and standard deviation."""

    number: int
    mean: float
    deviation: float

    @property
    def error(self) -> float:
        """The standard error of its mean."""
        return self.deviation / math.sqrt(self.number) if self.number else math.inf


@dataclass(frozen=True)
class Cell:
    """A channel of a class: the means of its recordings, and how far their values spread."""

    level: Spread
    spread: Spread

    @property
    def deviation(self) -> float:
        """Of all values, within recordings and between them."""
        return math.hypot(self.spread.mean, self.level.deviation)


@dataclass(frozen=True)
class Population:
    """`counts` are recordings by class, `cells` a channel of a class each."""

    counts: Mapping[str, int]
    cells: Mapping[tuple[str, str], Cell]

    def to_json(self) -> JsonObject:
        cells: dict[str, dict[str, list[float]]] = defaultdict(dict)
        for (label, channel), cell in self.cells.items():
            level, spread = cell.level, cell.spread
            figures = (level.mean, level.deviation, spread.mean, spread.deviation)
            cells[label][channel] = [level.number, *(_rounded(figure) for figure in figures)]
        return {"counts": dict(self.counts), "channels": dict(cells)}


def population_of(entries: Iterable[IndexEntry], classes: Sequence[str], channels: Sequence[str]) -> Population:
    """Of the recordings whose line says what their values are."""
    by_class: dict[str, list[IndexEntry]] = {label: [] for label in classes}
    for entry in entries:
        if entry.label in by_class:
            by_class[entry.label].append(entry)
    counts = {label: len(found) for label, found in by_class.items()}
    if len(classes) * len(channels) > CELLS_LIMIT:
        return Population(counts, {})
    cells = {}
    for label, found in by_class.items():
        known = [e for e in found if len(e.mean) == len(e.spread) == len(channels)]
        for number, channel in enumerate(channels if known else ()):
            level, spread = (_spread([getattr(e, name)[number] for e in known]) for name in ("mean", "spread"))
            cells[label, channel] = Cell(level, spread)
    return Population(counts, cells)


def read_population(value: Any) -> Population | None:
    """What a release says of itself; None for one that says nothing, or nothing that can be read."""
    try:
        cells = {
            (str(label), str(channel)): Cell(Spread(int(n), float(m), float(md)), Spread(int(n), float(s), float(sd)))
            for label, channels in value["channels"].items()
            for channel, (n, m, md, s, sd) in channels.items()
        }
        return Population({str(label): int(count) for label, count in value["counts"].items()}, cells)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _spread(values: Sequence[float]) -> Spread:
    mean = math.fsum(values) / len(values)
    square = math.fsum((value - mean) ** 2 for value in values)
    return Spread(len(values), mean, math.sqrt(square / (len(values) - 1)) if len(values) > 1 else 0.0)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
