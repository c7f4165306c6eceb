"""Rows and bands that a model must do without: they hold their means, which the float model sees as zero."""

from __future__ import annotations

from tinyops.recordings import Counts
from tinyops.specs.augment import MaskBandsStep, MaskTimeStep
from tinyops.train.augment.kind import Random, Rows


def mask_time(window: Counts, step: MaskTimeStep, rows: Rows, random: Random) -> None:
    most = min(int(step.at_most_s / rows.step_s + 1e-6), len(window) - 1)
    for _ in range(step.count):
        begin, end = _piece(len(window), most, random)
        window[begin:end] = rows.means


def mask_bands(window: Counts, step: MaskBandsStep, rows: Rows, random: Random) -> None:
    """Value i of a row is of band i // channels."""
    bands = window.shape[1] // rows.channels
    for _ in range(step.count):
        begin, end = (edge * rows.channels for edge in _piece(bands, min(step.at_most, bands - 1), random))
        window[:, begin:end] = rows.means[begin:end]


def _piece(length: int, most: int, random: Random) -> tuple[int, int]:
    """Begin and end of 0 to `most` places anywhere in `length`."""
    size = int(random.integers(0, most + 1))
    begin = int(random.integers(0, length - size + 1))
    return begin, begin + size
