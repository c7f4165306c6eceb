"""Which windows calibrate: from what training saw only, classes and recordings in turn. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tinyops.errors import SpecError
from tinyops.recordings import Windows

WINDOWS_MIN = 8
CLASS_WINDOWS_FEW = 4

Indices = NDArray[np.int64]


def calibration_order(windows: Windows) -> Indices:
    """The indices of all windows, so that any number of the first are a fair choice.

    Classes take turns, in each class its recordings, in each recording its windows, and every order is spread: what
    follows each other lies far apart. A class that has no more leaves its turns to the others.
    """
    classes = [
        list(_turns([mine[windows.recording[mine] == r] for r in _spread(np.unique(windows.recording[mine]))]))
        for label in np.unique(windows.labels)
        for mine in [np.flatnonzero(windows.labels == label)]
    ]
    return np.array(list(_turns(classes, spread=False)), np.int64)


def _turns(lists: Sequence[Sequence[int] | Indices], *, spread: bool = True) -> Iterator[int]:
    """One of each list in turn, until all are empty."""
    queues = [_spread(np.asarray(its)) if spread else np.asarray(its) for its in lists]
    for turn in range(max(map(len, queues), default=0)):
        yield from (int(its[turn]) for its in queues if turn < len(its))


def _spread(values: Indices) -> Indices:
    """The same values in van der Corput's order: of eight 0, 4, 2, 6, 1, 5, 3, 7."""
    bits = max(len(values) - 1, 0).bit_length()
    order = [int(f"{n:0{bits}b}"[::-1], 2) if bits else n for n in range(2**bits)]
    return values[[n for n in order if n < len(values)]]


def require_windows(windows: Windows, classes: Sequence[str], learned: Collection[str]) -> tuple[str, ...]:
    """What there is little of. Raises SpecError where ranges would be guesses; `learned` classes have windows."""
    counts = dict(zip(classes, np.bincount(windows.labels, minlength=len(classes)).tolist(), strict=True))
    counts = {name: number for name, number in counts.items() if name in learned}
    absent = [name for name, number in counts.items() if not number]
    listed = ", ".join(f"{name} {number}" for name, number in counts.items())
    if absent or len(windows) < WINDOWS_MIN:
        missing = f"none of {', '.join(absent)}" if absent else f"at least {WINDOWS_MIN} are needed"
        raise SpecError(
            f"calibration: {len(windows)} training windows are too few to find ranges by: {missing} ({listed})",
            hint="record more of it, make input.hop_s shorter, or leave more recordings in training (split.test)",
        )
    few = [f"{number} of {name}" for name, number in counts.items() if number < CLASS_WINDOWS_FEW]
    return (f"few windows calibrate: {', '.join(few)}",) if few else ()
