"""Source kind `files`: recordings that lie in the repository, each pinned by a line of an index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tinyops.artifacts import Progress
from tinyops.collect.kind import Reading
from tinyops.datasets.formats import FORMATS
from tinyops.datasets.lfs import pointed_at, pull_command
from tinyops.datasets.recording import Leniency, RawRecording
from tinyops.errors import Problem, SpecError
from tinyops.files import MIB, digest_file, read_bounded
from tinyops.specs.model import FilesSource

INDEX_LIMIT_BYTES = 16 * MIB
FILE_LIMIT_BYTES = 256 * MIB
HEX_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class IndexLine:
    """One recording: the digest of its file, its class, its path relative to the index."""

    digest: str
    label: str
    path: str
    line: int


def read_files(source: FilesSource, reading: Reading) -> Iterator[RawRecording]:
    """Reads the index, checks every file's digest, and yields the recordings in the index's order."""
    if reading.index is None:
        raise SpecError(f"the index {source.index} was not given to the step")
    lines = parse_index(read_bounded(reading.index, INDEX_LIMIT_BYTES), str(reading.index))
    _check_digests(lines, reading)
    for line in lines:
        yield from _read_line(line, source, reading, reading.index)


def parse_index(data: bytes, file: str) -> tuple[IndexLine, ...]:
    """Lines of `sha256 label path`; empty lines and those after # are left out. Raises SpecError with all problems."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise SpecError(f"{file}: not UTF-8 text (byte {error.start})") from error
    lines: list[IndexLine] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        if not raw.strip() or raw.lstrip().startswith("#"):
            continue
        found = _parse_line(raw, number, file)
        if isinstance(found, Problem):
            problems.append(found)
        elif found.path in seen:
            problems.append(Problem(file, number, 1, f"{found.path}: is named in line {seen[found.path]} already"))
        else:
            seen[found.path] = number
            lines.append(found)
    if problems:
        raise SpecError(problems)
    if not lines:
        raise SpecError(f"{file}: names no recordings", hint="one line a recording: sha256, label, file name")
    return tuple(lines)


def _parse_line(raw: str, number: int, file: str) -> IndexLine | Problem:
    parts = raw.split(maxsplit=2)
    if len(parts) != 3:
        return Problem(file, number, 1, f"wanted a sha256, a label and a file name, found {raw.strip()[:60]!r}")
    digest, label, path = parts[0].removeprefix("sha256:"), parts[1], parts[2].strip()
    if len(digest) != 64 or set(digest) - HEX_DIGITS:
        return Problem(file, number, 1, f"{parts[0][:80]!r} is not a sha256 (64 lower-case hex digits)")
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path:
        message = f"{path!r} leads out of the index's folder"
        return Problem(file, number, raw.find(path) + 1, message, "files lie beside or below their index")
    return IndexLine(f"sha256:{digest}", label, path, number)


def _check_digests(lines: tuple[IndexLine, ...], reading: Reading) -> None:
    """Every missing or changed file in one error, before anything is read."""
    assert reading.index is not None
    problems = []
    for done, line in enumerate(lines):
        if done % 100 == 0:
            reading.report(Progress(done, len(lines), f"checking {reading.index.name}"))
        message = _digest_problem(line, reading.index.parent / line.path)
        if message:
            hint = "bring the file back, or write its new digest into the index and have the change reviewed"
            problems.append(Problem(str(reading.index), line.line, 1, message, hint))
    if problems:
        raise SpecError(problems)


def _digest_problem(line: IndexLine, path: Path) -> str:
    try:
        if not path.is_file():
            return f"{line.path}: {'is not a file' if path.exists() else 'the file is missing'}"
        found = digest_file(path)
    except OSError as error:
        return f"{line.path}: cannot be read: {error.strerror}"
    if found != line.digest and pointed_at(read_bounded(path, FILE_LIMIT_BYTES)) == line.digest:
        return f"{line.path}: is a Git LFS pointer, its content is not here: `{pull_command(path)}` brings it"
    return "" if found == line.digest else f"{line.path}: has changed: the index says {line.digest}, it is {found}"


def _read_line(line: IndexLine, source: FilesSource, reading: Reading, index: Path) -> Iterator[RawRecording]:
    where = f"{index.parent / line.path}"
    data = read_bounded(index.parent / line.path, FILE_LIMIT_BYTES)
    leniency = Leniency(adapt=frozenset(source.adapt))
    found = list(FORMATS[source.format](data, reading.dataset.signal, where, leniency))
    for item in found:
        if item.label not in ("", line.label):
            raise SpecError(f"{where}:{item.line}: its class is {item.label!r}, the index says {line.label!r}")
        name = line.path if len(found) == 1 else f"{line.path}:{item.line}"
        yield RawRecording(name, line.label, item.values, f"{where}:{item.line}")
