"""The index of recordings: a CSV file in Git, one line a labelled piece of a file that its digest names.

A commit of the index pins the data, wherever that lies: beside the index, or behind a URL. `plan` reads indexes only,
so a line carries what can be judged without the data: sizes, rate, lost frames, the values' statistics.

A file with several lines holds several labelled segments (`begin` and `end`, in frames); a line without a label waits
to be labelled. Lines are sorted, so that the same dataset gives the same bytes, and a change of one label is a diff of
one line. Pure, and without numpy: `plan` imports it.
"""

from __future__ import annotations

import csv
import gc
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import repeat
from pathlib import PurePosixPath
from typing import Any

from tinyops.datasets.index_cells import CELLS
from tinyops.errors import Problem, SpecError
from tinyops.files import MIB

INDEX_LIMIT_BYTES = 64 * MIB
ENTRIES_LIMIT = 1_000_000
PROBLEMS_SHOWN = 20
NEEDED = ("sha256", "label")
PLAIN_DIGITS = 12  # of a digest in the name of a recording that has no other


@dataclass(frozen=True)
class IndexEntry:
    """A recording, or a labelled piece of one. Empty text and None say that nobody knows.

    `low`, `high`, `mean`, `spread` (the standard deviation) have one entry a channel, in the units of the dataset's
    signal, over the frames of this entry; `lost` counts frames that never came, `clipped` values at full scale.
    """

    sha256: str  # of the whole file: "sha256:…"
    label: str = ""
    subject: str = ""
    take: str = ""
    device: str = ""
    time: str = ""  # RFC 3339, UTC: when it began
    bytes: int | None = None
    frames: int | None = None  # of the whole file
    begin: int | None = None  # first frame of this piece; None: the whole file
    end: int | None = None  # the one after its last
    rate_hz: float | None = None  # as measured
    lost: int | None = None
    gap: int | None = None  # of them the most at once
    clipped: int | None = None
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    format: str = ""  # "": by the ending of `file`
    file: str = ""  # below the data's folder or URL; "": `object_path`

    @property
    def path(self) -> str:
        """Where its bytes lie below the data's folder or URL."""
        return self.file or object_path(self.sha256, self.format)

    @property
    def id(self) -> str:
        """Unique in its index."""
        name = self.file or self.sha256.removeprefix("sha256:")[:PLAIN_DIGITS]
        return name if self.begin is None else f"{name}[{self.begin}:{self.end}]"

    @property
    def length(self) -> int | None:
        """Frames of this piece."""
        return self.frames if self.begin is None or self.end is None else self.end - self.begin

    @property
    def group_take(self) -> str:
        """What belongs together because it was recorded at once."""
        return self.take or self.sha256

    @property
    def kind(self) -> str:
        """The name of its file's format."""
        return self.format or format_of(self.file)

    @property
    def sort_key(self) -> tuple[str, str, str, int]:
        return (self.take or self.file, self.file, self.sha256, self.begin or 0)


COLUMNS = tuple(field.name for field in fields(IndexEntry))
DEFAULTS = {field.name: field.default for field in fields(IndexEntry)}


def object_path(sha256: str, format_: str) -> str:
    """Content addressed: `ab/cdef….take`."""
    digits = sha256.removeprefix("sha256:")
    return f"{digits[:2]}/{digits[2:]}.{format_}"


def format_of(file: str) -> str:
    """`csv.gz` of `wrist/a.csv.gz`: what follows the first dot of the last part, in lower case."""
    name = PurePosixPath(file).name.lower()
    return "csv.gz" if name.endswith(".csv.gz") else name.rpartition(".")[2] if "." in name else ""


@dataclass(frozen=True)
class IndexRow:
    """An entry and the line that it stands in; 0: in none, it was made of a file that no index names."""

    entry: IndexEntry
    file: str
    line: int

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}: {self.entry.id}" if self.line else self.file


def parse_index(data: bytes, file: str) -> tuple[IndexEntry, ...]:
    """The lines of an index. Raises SpecError with the first problems, each with its line."""
    return _parse(data, file)[0]


def parse_rows(data: bytes, file: str) -> tuple[IndexRow, ...]:
    """As `parse_index`, each with its line."""
    entries, lines = _parse(data, file)
    return tuple(IndexRow(entry, file, line) for entry, line in zip(entries, lines, strict=True))


def _parse(data: bytes, file: str) -> tuple[tuple[IndexEntry, ...], list[int]]:
    """The entries and their lines."""
    with _uncollected():
        rows = _rows(data, file)
        header = _header(rows, file)
        entries = _by_columns(header, [cells for _, cells in rows[1:]])
    if entries is None:
        raise SpecError(_problems(header, rows[1:], file))
    return entries, [line for line, _ in rows[1:]]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which would look at so many new objects again and again: a third faster."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _by_columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[IndexEntry, ...] | None:
    """All lines at once, or None when something is wrong with one: ten thousand have to be read in a blink."""
    if any(len(cells) != len(header) for cells in rows):
        return None
    given = dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}
    try:
        columns = [_column(name, given[name]) if name in given else repeat(DEFAULTS[name]) for name in COLUMNS]
    except ValueError:
        return None
    entries = tuple(map(IndexEntry, *columns)) if rows else ()
    ids = {entry.id for entry in entries}
    return entries if len(ids) == len(entries) and not any(map(_inconsistency, entries)) else None


def _column(name: str, cells: Sequence[str]) -> list[Any]:
    """The values of a column, whose cells often repeat. Raises ValueError."""
    read = CELLS[name].read
    known = {cell: read(cell) for cell in set(cells)}
    return [known[cell] for cell in cells]


def _problems(header: Sequence[str], rows: Sequence[tuple[int, list[str]]], file: str) -> list[Problem]:
    """The first problems, line by line."""
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for line, cells in rows:
        found = _entry(header, cells, file, line)
        if isinstance(found, IndexEntry):
            first = seen.setdefault(found.id, line)
            if first == line:
                continue
            found = Problem(file, line, 1, f"{found.id}: stands in line {first} already", "remove one of the two")
        problems.append(found)
        if len(problems) >= PROBLEMS_SHOWN:
            break
    return problems


def _rows(data: bytes, file: str) -> list[tuple[int, list[str]]]:
    if len(data) > INDEX_LIMIT_BYTES:
        raise SpecError(f"{file}: {len(data):,} bytes, an index has at most {INDEX_LIMIT_BYTES:,}")
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        rows = [(reader.line_num, cells) for cells in reader if cells and not cells[0].startswith("#")]
    except UnicodeDecodeError as error:
        raise SpecError(f"{file}: not UTF-8 text (byte {error.start})") from error
    except csv.Error as error:
        raise SpecError(f"{file}: not CSV: {error}") from error
    if len(rows) > ENTRIES_LIMIT:
        raise SpecError(f"{file}: more than {ENTRIES_LIMIT:,} lines")
    return rows


def _header(rows: Sequence[tuple[int, list[str]]], file: str) -> list[str]:
    if not rows:
        raise SpecError(f"{file}: empty", hint=f"its first line names the columns: {','.join(COLUMNS)}")
    line, header = rows[0]
    unknown = [name for name in header if name not in COLUMNS]
    missing = [name for name in NEEDED if name not in header]
    repeated = [name for number, name in enumerate(header) if name in header[:number]]
    for what, names in (("unknown columns", unknown), ("it lacks", missing), ("stands twice:", repeated)):
        if names:
            message = f"the first line names the columns: {what} {', '.join(n[:40] for n in names[:10])}"
            raise SpecError([Problem(file, line, 1, message, f"known are {','.join(COLUMNS)}")])
    return header


def _entry(header: Sequence[str], cells: Sequence[str], file: str, line: int) -> IndexEntry | Problem:
    if len(cells) != len(header):
        return Problem(file, line, 1, f"has {len(cells)} cells, the first line names {len(header)} columns")
    values = {}
    column = 1
    for name, cell in zip(header, cells, strict=True):
        try:
            values[name] = CELLS[name].read(cell)
        except ValueError as error:
            return Problem(file, line, column, f"{name}: {cell[:60]!r} {error}")
        column += len(cell) + 1
    entry = IndexEntry(**values)
    message = _inconsistency(entry)
    return Problem(file, line, 1, message) if message else entry


def _inconsistency(entry: IndexEntry) -> str:
    if (entry.begin is None) != (entry.end is None):
        return "a piece has both begin and end"
    if entry.begin is not None and entry.end is not None:
        last = entry.end if entry.frames is None else entry.frames
        if not entry.begin < entry.end <= last:
            return f"begin {entry.begin} and end {entry.end} do not lie in its {last} frames"
    if not entry.kind:
        return "neither format nor the ending of file says what it is"
    return ""


def format_index(entries: Iterable[IndexEntry]) -> bytes:
    """The text of an index, sorted; only columns that a line uses, and the needed ones."""
    ordered = sorted(entries, key=lambda entry: entry.sort_key)
    empty = IndexEntry("")
    used = [n for n in COLUMNS if n in NEEDED or any(getattr(e, n) != getattr(empty, n) for e in ordered)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(used)
    for entry in ordered:
        writer.writerow([CELLS[name].write(getattr(entry, name)) for name in used])
    return text.getvalue().encode()
