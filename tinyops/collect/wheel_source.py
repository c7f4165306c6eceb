"""Source kind `wheel`: files inside a pinned Python package, fetched through pip. Nothing of it is installed or run."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from tinyops.artifacts import Progress
from tinyops.collect.kind import Reading
from tinyops.datasets.formats import FORMATS
from tinyops.datasets.recording import RawRecording
from tinyops.errors import SpecError
from tinyops.fetching import Package, fetch
from tinyops.files import MIB
from tinyops.specs.model import WheelSource

MEMBER_LIMIT_BYTES = 256 * MIB
ALL_MEMBERS_LIMIT_BYTES = 1024 * MIB
ENTRIES_LIMIT = 200_000
ENCRYPTED_FLAG = 0x1


def read_wheel(source: WheelSource, reading: Reading) -> Iterator[RawRecording]:
    """Fetches the wheel unless it is cached, checks its digest, and reads the named members in order of name."""
    path = fetch_wheel(source, reading.report)
    for name, data in read_members(path, source.members):
        where = f"{source.package} {source.version}: {name}"
        label = PurePosixPath(name).parent.name  # of formats that hold none: the member's folder
        for item in FORMATS[source.format](data, reading.dataset.signal, where):
            yield RawRecording(f"{name}:{item.line}", item.label or label, item.values, f"{where}:{item.line}")


def fetch_wheel(source: WheelSource, report: Callable[[Progress], None]) -> Path:
    """The path of the wheel with the pinned digest, from the download cache or through pip.

    Raises RemoteError when it cannot be fetched or is another file than the spec pins.
    """
    package = Package(source.package, source.version, source.sha256, "the spec", source.bytes)
    return fetch(package, source.pip_arguments(), "*.whl", report)


def read_members(path: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Name and content of the members that the patterns match, sorted by name.

    Nothing is extracted. Raises SpecError for an archive that is damaged, ambiguous (a name twice),
    encrypted or larger than its limits, and for a pattern that matches nothing.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            chosen = choose_members(archive.infolist(), patterns)
            for entry in chosen:
                yield entry.filename, _read_entry(archive, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise SpecError(f"the wheel is damaged: {error}") from error


def choose_members(entries: list[zipfile.ZipInfo], patterns: tuple[str, ...]) -> list[zipfile.ZipInfo]:
    """The entries that the patterns match, by name; sizes are those the archive declares."""
    if len(entries) > ENTRIES_LIMIT:
        raise SpecError(f"the wheel has {len(entries):,} members, more than {ENTRIES_LIMIT:,}")
    files = [entry for entry in entries if not entry.is_dir()]
    chosen: dict[str, zipfile.ZipInfo] = {}
    for pattern in patterns:
        found = [entry for entry in files if matches(entry.filename, pattern)]
        if not found:
            raise SpecError(f"members: {pattern!r} matches nothing in the wheel", hint=_nearest(files, pattern))
        for entry in found:
            if chosen.setdefault(entry.filename, entry) is not entry:
                raise SpecError(f"the wheel holds {entry.filename} twice")
    for entry in chosen.values():
        if entry.file_size > MEMBER_LIMIT_BYTES:
            raise SpecError(f"{entry.filename}: unpacks to {entry.file_size:,} bytes, more than {MEMBER_LIMIT_BYTES:,}")
        if entry.flag_bits & ENCRYPTED_FLAG:
            raise SpecError(f"{entry.filename}: is encrypted")
    if sum(entry.file_size for entry in chosen.values()) > ALL_MEMBERS_LIMIT_BYTES:
        raise SpecError(f"the members unpack to more than {ALL_MEMBERS_LIMIT_BYTES:,} bytes")
    return [chosen[name] for name in sorted(chosen)]


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern names a member; `*` stays within a folder."""
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(fnmatchcase(p, w) for p, w in zip(parts, wanted, strict=True))


def _nearest(files: list[zipfile.ZipInfo], pattern: str) -> str:
    ending = re.sub(r"^.*\*", "", pattern.rsplit("/", 1)[-1])
    near = sorted(f.filename for f in files if ending and f.filename.endswith(ending))[:3]
    return (
        f"with that ending there are: {', '.join(near)}" if near else "`python -m zipfile -l` lists a wheel's members"
    )


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as stream:
        data = stream.read(MEMBER_LIMIT_BYTES + 1)  # what it declares may be a lie
    if len(data) > MEMBER_LIMIT_BYTES:
        raise SpecError(f"{entry.filename}: unpacks to more than {MEMBER_LIMIT_BYTES:,} bytes")
    return data
