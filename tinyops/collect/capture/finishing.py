"""From a journal to a recording of the dataset: the same way at a take's end and after a crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tinyops.collect.capture.journal import FOLDER, NO_CLOCK, Unfinished, orphans, read_journal
from tinyops.collect.capture.timing import Measured, Pause, measure
from tinyops.datasets.adding import add_entries, take_addition
from tinyops.datasets.index import IndexEntry
from tinyops.datasets.index_cells import NAME_MAX
from tinyops.datasets.objects import Objects, data_folder
from tinyops.datasets.take import Clock, Take, TakeFacts
from tinyops.errors import SpecError
from tinyops.files import digest_bytes

RATE_DIFFERS = 0.05
RECOVERED = "-recovered"


@dataclass(frozen=True)
class Kept:
    """A take in the dataset: its line, what was measured, what there is to say. `repeated`: it was there already."""

    entry: IndexEntry
    measured: Measured
    notes: tuple[str, ...] = ()
    repeated: bool = False

    @property
    def seconds(self) -> float:
        frames = (self.entry.frames or 0) + (self.entry.lost or 0)
        return frames / self.entry.rate_hz if self.entry.rate_hz else 0.0


@dataclass(frozen=True)
class Destination:
    """The index that takes go into, and where their bytes go."""

    index: Path
    objects: Objects

    @property
    def journals(self) -> Path:
        return data_folder(self.index) / FOLDER


def finish(path: Path, destination: Destination, *, recovered: bool = False) -> Kept | None:
    """Adds what a journal holds to the index; None when it holds no frame. The journal stays: its owner removes it.

    Raises SpecError, ToolError.
    """
    found = read_journal(path)
    if not len(found.values):
        return None
    heading = found.heading
    name = heading.name[: NAME_MAX - len(RECOVERED)] + RECOVERED if recovered else heading.name
    limits = heading.limits if heading.facts.full_scale is None and heading.limits else None
    try:
        take, measured, notes = take_of(found)
        addition = take_addition(take, label=heading.label, subject=heading.subject, name=name, limits=limits)
    except (ValueError, ArithmeticError) as error:  # whole records of something that was never recorded
        raise SpecError(f"{path}: not the journal of a take: {str(error)[:100]}", hint="move it away") from error
    line = replace(addition.entry, sha256=digest_bytes(addition.data), bytes=len(addition.data))
    destination.objects.put(line, addition.data)
    added = add_entries(destination.index, [line])
    (entry,) = added.entries or added.repeated
    return Kept(entry, measured, notes, bool(added.repeated))


def recover(destination: Destination, say: Callable[[str], None]) -> list[Kept]:
    """Adds the takes that a crash or a loss of power left unfinished, and says so. What cannot be read stays."""
    kept: list[Kept] = []
    with orphans(destination.journals) as paths:
        for path in paths:
            try:
                found = finish(path, destination, recovered=True)
            except SpecError as error:
                say(f"an unfinished take stays where it is: {error.message}")
                continue
            path.unlink(missing_ok=True)
            if found is not None and not found.repeated:
                kept.append(found)
                frames = f"{found.entry.frames or 0:,} frames"
                say(f"recovered the take {found.entry.take}, which was not finished: {frames}, {found.seconds:.1f} s")
    return kept


def take_of(found: Unfinished) -> tuple[Take, Measured, tuple[str, ...]]:
    """The take of a journal: rates measured, gaps marked; and sentences on what is unusual."""
    heading = found.heading
    made = found.ends + np.cumsum(found.lost)
    by_device = heading.facts.clock.source == "device"
    live = heading.facts.clock.source != "file" and heading.facts.size is None
    measured = Measured()
    if live and by_device:
        told = found.clock_ms != NO_CLOCK
        measured = measure(made[told], found.clock_ms[told] / 1000.0)
    elif live:
        measured = measure(made, found.arrived_s)
    begins = np.concatenate([[0], found.ends[:-1]]) if len(found.ends) else found.ends
    gaps = [(int(at), int(lost)) for at, lost in zip(begins, found.lost, strict=True) if lost]
    pauses = () if by_device or heading.clocked else measured.pauses
    gaps += [(int(found.ends[np.searchsorted(made, pause.at)]), pause.missing) for pause in pauses]
    facts = TakeFacts.model_validate(
        heading.facts.model_dump(by_alias=True)
        | {
            "gaps": _merged(gaps),
            "clock": Clock(
                source=heading.facts.clock.source, measured_hz=measured.rate_hz, jitter_ms=measured.jitter_ms
            ),
        }
    )
    return Take(facts, found.values), measured, tuple(_notes(heading.facts, measured, pauses))


def _merged(gaps: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    together: dict[int, int] = {}
    for at, count in gaps:
        together[at] = together.get(at, 0) + count
    return tuple(sorted(together.items()))


def _notes(facts: TakeFacts, measured: Measured, pauses: Sequence[Pause]) -> Iterator[str]:
    rate, wanted = measured.rate_hz, facts.rate_hz
    if rate is not None and wanted is not None and abs(rate / wanted - 1) > RATE_DIFFERS:
        yield f"frames came at {rate:.4g} Hz, the dataset's signal says {wanted:g} Hz"
    if measured.change is not None:
        change = measured.change
        yield f"the rate changed from {change.before:.4g} to {change.after:.4g} Hz at about {change.at_s:.1f} s"
    if measured.jumps and facts.clock.source == "device":
        furthest = max(measured.jumps, key=abs)
        yield f"the device's clock jumped {len(measured.jumps)} times, by up to {furthest:.1f} s: left out of its rate"
    for pause in pauses[:5]:
        yield f"nothing came for {pause.seconds:.1f} s before frame {pause.at}: a gap of about {pause.missing} frames"
