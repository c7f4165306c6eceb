"""Adding many files to a dataset: all are read and judged first, then bytes are kept, then the index gets its lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tinyops.artifacts import Progress
from tinyops.datasets.adding import add_entries
from tinyops.datasets.editing import read_index
from tinyops.datasets.importing import Wish, prepare
from tinyops.datasets.index import IndexEntry
from tinyops.datasets.objects import Folder, Objects
from tinyops.datasets.searching import Item
from tinyops.documents import closest
from tinyops.errors import SpecError, UsageError
from tinyops.specs.model import DatasetSpec

SHOWN = 20


@dataclass(frozen=True)
class Shelf:
    """The dataset that files are added to, and where their bytes go. With `base` they stay where they are below it."""

    spec: DatasetSpec
    index: Path
    objects: Objects
    base: Path | None = None


@dataclass
class Intake:
    """What became of the files: `known` are those that the index has already, `refused` has a sentence each."""

    lines: list[tuple[Item, tuple[IndexEntry, ...]]] = field(default_factory=list)
    known: list[Path] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hints: set[str] = field(default_factory=set)

    @property
    def entries(self) -> list[IndexEntry]:
        return [entry for _, entries in self.lines for entry in entries]


def take_in(files: Sequence[Item], wish: Wish, shelf: Shelf, report: Callable[[Progress], None]) -> Intake:
    """Reads and judges every file; nothing is written. Raises UsageError for labels that are no classes."""
    intake = Intake()
    existing: dict[str, list[IndexEntry]] = {}
    for entry in read_index(shelf.index):
        existing.setdefault(entry.sha256, []).append(entry)
    seen: dict[str, Path] = {}
    for done, item in enumerate(files):
        path = item.path
        report(Progress(done, len(files), f"reading {path.name}"))
        try:
            prepared = prepare(item, wish, shelf.spec.signal)
            entries = tuple(_placed(entry, item, shelf, prepared.notes) for entry in prepared.entries)
        except SpecError as error:
            intake.refused.append(error.message)
            intake.hints.add(error.hint)
            continue
        intake.notes += prepared.notes
        first = seen.setdefault(entries[0].sha256, path)
        if first != path:
            intake.repeated.append(f"{path}: has the same content as {first}")
        elif entries[0].sha256 in existing:
            _known(path, entries, existing[entries[0].sha256], intake)
        else:
            intake.lines.append((item, entries))
    _refuse_labels(intake.entries, shelf.spec)
    return intake


def keep_all(intake: Intake, wish: Wish, shelf: Shelf, report: Callable[[Progress], None]) -> None:
    """The bytes, each at its place, then the lines, at once. Raises ToolError for a full disk: the index is as it was.

    Files are read again, so that no more than one is in memory; one that changed meanwhile is refused.
    """
    for done, (item, entries) in enumerate(intake.lines):
        report(Progress(done, len(intake.lines), f"copying {item.path.name}"))
        if shelf.base is not None and isinstance(shelf.objects.place, Folder):
            continue
        prepared = prepare(item, wish, shelf.spec.signal)
        if prepared.entries[0].sha256 != entries[0].sha256:
            raise SpecError(f"{item.path}: changed while it was read", hint="run the same command again")
        shelf.objects.put(entries[0], prepared.data)
    add_entries(shelf.index, intake.entries)


def _placed(entry: IndexEntry, item: Item, shelf: Shelf, notes: Sequence[str]) -> IndexEntry:
    """The line with its file's path where that stays in place."""
    if shelf.base is None:
        return entry
    path = item.path
    if entry.format != item.kind:
        why = notes[0] if notes else f"{path}: its columns are not the signal's channels"
        raise SpecError(f"{why}: it cannot stay as it is", hint="leave --in-place out")
    resolved, base = path.resolve(), shelf.base.resolve()
    if not resolved.is_relative_to(base):
        raise SpecError(f"{path}: lies outside {shelf.base}", hint="leave --in-place out, or move it there")
    return replace(entry, format="", file=resolved.relative_to(base).as_posix())


def _known(path: Path, entries: Sequence[IndexEntry], there: Sequence[IndexEntry], intake: Intake) -> None:
    """A file that the index has: nothing new, or a contradiction."""
    labels, said = {e.label for e in entries if e.label}, {e.label for e in there if e.label}
    if labels and said and labels != said:
        intake.repeated.append(
            f"{path}: is in the index as {there[0].id}, labelled {', '.join(sorted(said))} there "
            f"and {', '.join(sorted(labels))} here"
        )
    else:
        intake.known.append(path)


def _refuse_labels(entries: Sequence[IndexEntry], spec: DatasetSpec) -> None:
    unknown = Counter(e.label for e in entries if e.label and e.label not in spec.classes)
    if unknown:
        label, count = unknown.most_common(1)[0]
        others = f", and {len(unknown) - 1} other labels" if len(unknown) > 1 else ""
        raise UsageError(
            f"the label {label[:60]!r} of {count:,} recordings is not one of the dataset's classes{others}",
            hint=f"{closest(label, spec.classes)}; `--rename {label[:60]}=CLASS` gives them another",
        )


def refusal(intake: Intake, *, skip_bad: bool, skip_duplicates: bool) -> SpecError | None:
    """Why nothing is added, unless whoever adds has allowed it."""
    bad = [] if skip_bad else intake.refused
    repeated = [] if skip_duplicates else intake.repeated
    if not bad and not repeated:
        return None
    shown = [*bad[:SHOWN], *repeated[:SHOWN]]
    left = len(bad) + len(repeated) - len(shown)
    options = [*(["--skip-bad"] if bad else []), *(["--skip-duplicates"] if repeated else [])]
    hints = [
        *(sorted(filter(None, intake.hints)) if bad else ()),
        f"{' '.join(options)} leaves these out, adds the rest",
    ]
    more = [f"… and {left:,} more"] if left else []
    number = len(bad) + len(repeated)
    count = f"{number:,} file{'s' * (number != 1)} cannot be added, so none was"
    return SpecError("\n".join([*shown, *more, count]), hint="\n  ".join(hints))
