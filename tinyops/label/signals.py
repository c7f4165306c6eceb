"""A recording as the page draws it: frames, where some are missing, what each channel is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tinyops.datasets.adding import with_statistics
from tinyops.datasets.formats import format_named
from tinyops.datasets.index import IndexEntry
from tinyops.datasets.objects import Objects
from tinyops.datasets.recording import STRICT, Leniency
from tinyops.datasets.take import SUFFIX, Take, read_take
from tinyops.errors import SpecError
from tinyops.files import MIB, printable
from tinyops.label.slots import Slots
from tinyops.specs.model import Signal

HELD_BYTES = 256 * MIB  # of recordings that were looked at last

Read = Callable[[IndexEntry], "Shown"]


@dataclass(frozen=True)
class Shown:
    """`values` [T, V] in the channels' units."""

    values: NDArray[np.float64]
    slots: Slots
    rate_hz: float | None
    limits: tuple[float, ...]  # largest magnitude of each channel
    facts: dict[str, str]

    @property
    def frames(self) -> int:
        return len(self.values)

    @property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """Frames without a gap between them: first, and the one after the last."""
        edges = [0, *(at for at, _ in self.slots.gaps), self.frames]
        return tuple((begin, end) for begin, end in pairwise(edges) if begin < end)


def show(data: bytes, entry: IndexEntry, signal: Signal, leniency: Leniency = STRICT) -> Shown:
    """What a file of the index holds. Raises SpecError for one that is not what the dataset's signal wants."""
    found = list(format_named(entry.kind, entry.path)(data, signal, entry.path, leniency))
    if not found:
        raise SpecError(f"{entry.path}: holds no frames")
    values = np.concatenate([item.values for item in found])
    if values.ndim != 2 or values.shape[1] != signal.frame_values:
        raise SpecError(f"{entry.path}: has frames of {values.shape[-1]} values, wanted {signal.frame_values}")
    if entry.kind == SUFFIX:
        take = read_take(data, entry.path)
        return Shown(
            values, Slots(take.facts.gaps, len(values)), _rate(take, entry, signal), _limits(take, signal), _facts(take)
        )
    edges = np.cumsum([len(item.values) for item in found])[:-1]
    slots = Slots(tuple((int(edge), 0) for edge in edges), len(values))
    resampled = "rate" in leniency.adapt
    rate_hz = signal.rate_hz if resampled else entry.rate_hz or signal.rate_hz
    return Shown(values, slots, rate_hz, signal.full_scale, {})


def _rate(take: Take, entry: IndexEntry, signal: Signal) -> float | None:
    return take.facts.clock.measured_hz or entry.rate_hz or take.facts.rate_hz or signal.rate_hz


def _limits(take: Take, signal: Signal) -> tuple[float, ...]:
    return take.facts.full_scale or signal.full_scale


def _facts(take: Take) -> dict[str, str]:
    facts = take.facts
    named = {"sensor": facts.sensor, "board": facts.board, "firmware": facts.firmware, "clock": facts.clock.source}
    return {name: printable(text) for name, text in named.items() if text}


class Gallery:
    """Recordings that were looked at last stay in memory, up to so many bytes. Threads may share one."""

    def __init__(
        self, objects: Objects, signal: Signal, leniency: Leniency = STRICT, held_bytes: int = HELD_BYTES
    ) -> None:
        self._objects, self._signal, self._leniency, self._limit = objects, signal, leniency, held_bytes
        self._held: OrderedDict[tuple[str, str], Shown] = OrderedDict()
        self._lock = threading.Lock()
        self.reads = 0

    def read(self, entry: IndexEntry) -> Shown:
        """Raises SpecError for a file that is missing or no such signal, RemoteError where it lies away."""
        key = (entry.sha256, entry.path)
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
            self.reads += 1
        shown = show(self._objects.read(entry), entry, self._signal, self._leniency)
        with self._lock:
            self._held[key] = shown
            while len(self._held) > 1 and sum(s.values.nbytes for s in self._held.values()) > self._limit:
                self._held.popitem(last=False)
        return shown


def measured(entry: IndexEntry, shown: Shown) -> IndexEntry:
    """The entry with its statistics: over its frames, one number a channel."""
    begin, end = entry.begin or 0, shown.frames if entry.end is None else entry.end
    lost = shown.slots.lost if entry.begin is None else shown.slots.lost_inside(begin, end)
    plain = replace(entry, frames=shown.frames, lost=lost)
    return with_statistics(plain, shown.values[begin:end], len(shown.limits), limits=shown.limits)
