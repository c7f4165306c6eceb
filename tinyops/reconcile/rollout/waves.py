"""Where the waves of a rollout end: from what a spec says to positions in the order of a fleet's devices. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

from tinyops.manifest.progress import POSITIONS, position
from tinyops.specs.rollout import Wave


def thresholds(waves: Sequence[Wave], fleet: str, units: Collection[str] | None) -> tuple[int, ...]:
    """The highest position of each wave, rising.

    `units` are the devices that are listed and not revoked, chains once each; then a wave ends with one of them, so
    that it is exactly as large as the spec says, and nobody who is enrolled later pushes another one out of it. None:
    nobody is listed, and a share is one of all positions.
    """
    places = sorted(position(fleet, unit) for unit in units) if units is not None else None
    return (*_rising(_threshold(wave, places) for wave in waves),)


def wave_sizes(waves: Sequence[int], fleet: str, units: Collection[str]) -> tuple[int, ...]:
    """How many units take the new content in each wave, without those of the waves before."""
    places = [position(fleet, unit) for unit in units]
    within = [sum(place <= upto for place in places) for upto in waves]
    return tuple(count - before for before, count in zip([0, *within], within, strict=False))


def _threshold(wave: Wave, places: Sequence[int] | None) -> int:
    if wave.share == 1:
        return POSITIONS - 1
    if places is None:
        assert wave.share is not None, "a canary needs a list of devices: the spec was checked"
        return max(math.ceil(wave.share * POSITIONS) - 1, 0)
    wanted = wave.canary if wave.canary is not None else math.ceil((wave.share or 0) * len(places))
    return places[min(wanted, len(places)) - 1] if places else 0


def _rising(values: Iterator[int]) -> Iterator[int]:
    highest = 0
    for value in values:
        highest = max(highest, value)
        yield highest
