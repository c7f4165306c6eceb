"""Adding what another index lists, such as that of a receiver's inbox: its lines with their labels, and its files."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from tinyops.artifacts import Progress
from tinyops.datasets.adding import add_entries
from tinyops.datasets.editing import read_index
from tinyops.datasets.formats import format_named
from tinyops.datasets.index import COLUMNS, NEEDED
from tinyops.datasets.intake import Intake, Target, known, refuse_labels
from tinyops.datasets.objects import Folder, data_folder, read_entry
from tinyops.errors import SpecError

HEAD_BYTES = 4096


def is_index(path: Path) -> bool:
    """Whether a file's first line names columns of an index."""
    try:
        with path.open("rb") as stream:
            lines = stream.read(HEAD_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return False
    head = next((line.split(",") for line in lines if not line.startswith("#")), [])
    return set(NEEDED) <= set(head) <= set(COLUMNS)


def take_in_index(index: Path, target: Target, report: Callable[[Progress], None]) -> Intake:
    """Reads and judges every file; nothing is written. Raises SpecError for an index that is wrong, UsageError for
    labels that are no classes."""
    intake, place = Intake(), Folder(data_folder(index))
    there = {entry.sha256: entry for entry in read_index(target.index)}
    entries = sorted(read_index(index), key=lambda entry: entry.sha256)
    for done, (sha256, group) in enumerate(groupby(entries, key=lambda entry: entry.sha256)):
        lines = tuple(group)
        path = place.root / lines[0].path
        report(Progress(done, len(entries), f"reading {path.name}"))
        if sha256 in there:
            known(path, lines, [there[sha256]], intake)
            continue
        try:
            for _ in format_named(lines[0].kind, str(path))(read_entry(place, lines[0]), target.spec.signal, str(path)):
                pass
            intake.lines.append((path, lines))
        except SpecError as error:
            intake.refused.append(error.message)
            intake.hints.add(error.hint)
    refuse_labels(intake.entries, target.spec)
    return intake


def keep_index(index: Path, intake: Intake, target: Target, report: Callable[[Progress], None]) -> None:
    """The bytes, each at its place, then the lines, at once. Raises ToolError for a full disk."""
    place = Folder(data_folder(index))
    for done, (path, lines) in enumerate(intake.lines):
        report(Progress(done, len(intake.lines), f"copying {path.name}"))
        target.objects.put(lines[0], read_entry(place, lines[0]))
    add_entries(target.index, intake.entries)
