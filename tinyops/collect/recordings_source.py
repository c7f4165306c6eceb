"""Source kind `recordings`: what an index pins, wherever its bytes lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tinyops.artifacts import Progress
from tinyops.collect.kind import Reading
from tinyops.datasets.formats import format_named
from tinyops.datasets.index import INDEX_LIMIT_BYTES, IndexRow
from tinyops.datasets.places import open_objects
from tinyops.datasets.recording import Labelled, RawRecording, leniency_of
from tinyops.datasets.rows import source_rows
from tinyops.datasets.split import entry_group
from tinyops.documents import shown_path
from tinyops.errors import SpecError
from tinyops.files import read_bounded
from tinyops.specs.model import RecordingsSource


def read_recordings(source: RecordingsSource, reading: Reading) -> Iterator[RawRecording]:
    """The labelled recordings of the index, in its order; those that wait for a label are left out."""
    if reading.index is None:
        raise SpecError(f"the index {source.index} was not given to the step")
    data = read_bounded(reading.index, INDEX_LIMIT_BYTES)
    rows = [row for row in source_rows(source, data, shown_path(reading.index)) if row.entry.label]
    objects = open_objects(source, reading.index, reading.name)
    objects.ready([row.entry for row in rows], reading.report)
    leniency = leniency_of(source)
    held: Mapping[str, tuple[Labelled, ...]] = {}
    for done, row in enumerate(rows):
        entry = row.entry
        if done % 100 == 0:
            reading.report(Progress(done, len(rows), f"reading {reading.index.name}"))
        if entry.sha256 not in held:  # pieces of one file follow each other
            read = format_named(entry.kind, entry.path)
            held = {entry.sha256: tuple(read(objects.read(entry), reading.dataset.signal, entry.path, leniency))}
        yield from _pieces(row, held[entry.sha256], entry_group(entry, reading.dataset.split.by))


def _pieces(row: IndexRow, found: tuple[Labelled, ...], group: str) -> Iterator[RawRecording]:
    """What of a file the line names: whole, or between two frames; a gap in it makes two recordings."""
    entry = row.entry
    begin, end = entry.begin or 0, entry.end
    position = 0
    for item in found:
        values = item.values[max(begin - position, 0) : None if end is None else max(end - position, 0)]
        position += len(item.values)
        if len(values):
            name = entry.id if len(found) == 1 else f"{entry.id}:{item.line}"
            yield RawRecording(name, entry.label, values, row.where, group, row)
