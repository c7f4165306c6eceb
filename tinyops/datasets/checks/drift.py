"""Whether the data is still the population that the last release was made of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tinyops.datasets.checks.kind import Evidence, Found, noted
from tinyops.datasets.index import IndexRow
from tinyops.datasets.population import Cell, Population, population_of
from tinyops.specs.checks import DriftCheck
from tinyops.statistics import shift

RECORDINGS_MIN = 5  # of a class, then and now: fewer say nothing
ERRORS = 3.0  # standard errors that a difference must have, lest chance be called drift
SHOWN = 3


@dataclass(frozen=True)
class Moved:
    """A channel of a class that is another: how far in terms of its threshold, and the sentence."""

    label: str
    channel: str
    size: float
    text: str


def check_drift(data: Evidence) -> Iterator[Found]:
    """Shares of classes by the population stability index; means and spreads of channels by what was released."""
    if data.released is None or not data.complete:
        return
    signal, checks = data.spec.signal, data.spec.checks.drift
    now = population_of((row.entry for row in data.labelled), data.spec.classes, signal.channels)
    yield from _shares(data.released, now, checks)
    units = dict(zip(signal.channels, signal.units, strict=True))
    moved = [
        found
        for place in now.cells.keys() & data.released.cells.keys()
        if (found := _moved(place, data.released.cells[place], now.cells[place], units[place[1]], checks))
    ]
    if moved:
        moved.sort(key=lambda found: (-found.size, found.label, found.channel))
        more = f" and {len(moved) - SHOWN} more" if len(moved) > SHOWN else ""
        message = f"other values than were released: {'; '.join(m.text for m in moved[:SHOWN])}{more}"
        hint = "is the sensor mounted as before? a model of both must be tested on both, or raise checks.drift"
        yield Found(message, _farthest(data, moved[0], data.released), hint)


def _shares(then: Population, now: Population, checks: DriftCheck) -> Iterator[Found]:
    classes = [label for label in now.counts if label in then.counts]
    if len(classes) < 2:
        return
    found = shift([then.counts[c] for c in classes], [now.counts[c] for c in classes])
    if found.is_certain and found.psi > checks.psi_max:
        old, new = (_percent(side.counts, classes) for side in (then, now))
        moved = sorted(classes, key=lambda label: -abs(new[label] - old[label]))[:SHOWN]
        text = ", ".join(f"{label} {old[label]:.0f} → {new[label]:.0f} %" for label in moved)
        message = f"other shares of classes than were released: {text} (PSI {found.psi:.2f})"
        yield Found(message, hint="record the others too, or raise checks.drift.psi_max")


def _percent(counts: object, classes: list[str]) -> dict[str, float]:
    assert isinstance(counts, dict)
    total = sum(counts[label] for label in classes) or 1
    return {label: 100 * counts[label] / total for label in classes}


def _moved(place: tuple[str, str], then: Cell, now: Cell, unit: str, checks: DriftCheck) -> Moved | None:
    if min(then.level.number, now.level.number) < RECORDINGS_MIN:
        return None
    label, channel = place
    apart, chance = abs(now.level.mean - then.level.mean), math.hypot(then.level.error, now.level.error)
    size = apart / then.deviation if then.deviation else math.inf
    if size > checks.shift_max and apart > ERRORS * chance:
        text = f"{channel} of {label} {then.level.mean:.3g} → {now.level.mean:.3g} {unit} in the mean"
        return Moved(label, channel, size / checks.shift_max, text)
    chance = math.hypot(then.spread.error, now.spread.error)
    least, most = sorted((then.spread.mean, now.spread.mean))
    ratio = most / least if least else math.inf
    if ratio > checks.spread_ratio_max and most - least > ERRORS * chance:
        text = f"{channel} of {label} spreads by {then.spread.mean:.3g} → {now.spread.mean:.3g} {unit}"
        return Moved(label, channel, ratio / checks.spread_ratio_max, text)
    return None


def _farthest(data: Evidence, moved: Moved, then: Population) -> list[str]:
    """The recordings of the channel that moved most, those first that differ most from what was released."""
    number = data.spec.signal.channels.index(moved.channel)
    was = then.cells[moved.label, moved.channel]
    rows = [
        r
        for r in data.labelled
        if r.entry.label == moved.label and min(len(r.entry.mean), len(r.entry.spread)) > number
    ]

    def distance(row: IndexRow) -> float:
        return abs(row.entry.mean[number] - was.level.mean) + abs(row.entry.spread[number] - was.spread.mean)

    rows.sort(key=distance, reverse=True)
    figures = ((row, row.entry.mean[number], row.entry.spread[number]) for row in rows)
    return noted((row, f"{moved.channel} {mean:.3g} ± {spread:.3g}") for row, mean, spread in figures)
