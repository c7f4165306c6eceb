"""Files of Python packages, fetched through pip and kept by their digests. Nothing of them is installed or run."""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyops.artifacts import Progress
from tinyops.errors import RemoteError, ToolError
from tinyops.files import MIB, cache_folder, digest_file, writing
from tinyops.process import run

FETCH_TIMEOUT_S = 900
# pip's own patience is minutes: a machine without a network should hear so in seconds.
PIP_PATIENCE = ("--retries", "1", "--timeout", "10")
FILE_LIMIT_BYTES = 1024 * MIB
MEMBER_LIMIT_BYTES = 4 * MIB
ENTRIES_LIMIT = 10_000
# pip asks the builder of a source package for its name, though it is only to be downloaded. This one answers in the
# place of setuptools, so that no line of the package runs.
BUILDER = """\
import os
import sys

__legacy__ = sys.modules[__name__]


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(folder, config_settings=None):
    name, version = os.environ["TINYOPS_FETCHED"].split()
    made = f"{name}-{version}.dist-info"
    os.mkdir(os.path.join(folder, made))
    with open(os.path.join(folder, made, "METADATA"), "w") as stream:
        stream.write(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    return made
"""


@dataclass(frozen=True)
class Package:
    """One file of a package. `pinned_by` is who says which, for messages."""

    name: str
    version: str
    sha256: str
    pinned_by: str
    bytes: int | None = None

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"


def fetch(
    package: Package,
    arguments: Sequence[str],
    pattern: str,
    report: Callable[[Progress], None],
    *,
    env: Mapping[str, str] | None = None,
) -> Path:
    """The path of the file with the pinned digest, from the download cache or by `pip download` with these arguments,
    which has to leave one file of the pattern.

    Raises RemoteError when it cannot be fetched or is another file than the pinned one.
    """
    cached = kept(package)
    if cached.is_file() and digest_file(cached) == package.sha256:
        return cached
    with writing(cached.parent):
        cached.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=cached.parent, prefix=".fetch.")
    with folder:
        size = f" ({package.bytes / 1e6:.1f} MB)" if package.bytes else ""
        report(Progress(0, 0, f"fetching {package.title}{size} through pip…", announce=True))
        fetched = _download(package, arguments, pattern, Path(folder.name), env)
        report(Progress(1, 1, f"fetched {package.title} ({fetched.stat().st_size / 1e6:.1f} MB)"))
        found = digest_file(fetched)
        if found != package.sha256:
            raise RemoteError(
                f"{fetched.name}: {package.pinned_by} pins {package.sha256}, what pip fetched is {found}",
                hint=f"do not use it: either it has changed at its origin, or {package.pinned_by} has another"
                " file's digest",
            )
        with writing(cached):
            os.replace(fetched, cached)
    return cached


def fetch_source(package: Package, report: Callable[[Progress], None]) -> Path:
    """The path of a package's archive of sources. pip compares the digest before it opens the archive.

    Raises RemoteError.
    """
    with tempfile.TemporaryDirectory(prefix="tinyops-fetch-") as name:
        builder = Path(name) / "builder" / "setuptools"
        builder.mkdir(parents=True)
        (builder / "__init__.py").touch()
        (builder / "build_meta.py").write_text(BUILDER)
        wanted = Path(name) / "wanted.txt"
        wanted.write_text(f"{package.name}=={package.version} --hash={package.sha256}\n")
        arguments = ("--no-deps", "--no-binary=:all:", "--no-build-isolation", "--require-hashes", "-r", str(wanted))
        answers = {"PYTHONPATH": str(builder.parent), "TINYOPS_FETCHED": f"{package.name} {package.version}"}
        return fetch(package, arguments, "*.tar.gz", report, env=answers)


def kept(package: Package) -> Path:
    """Where a fetched file is kept: in the folder of downloads by digest."""
    return cache_folder() / "downloads" / package.sha256.removeprefix("sha256:")


def read_source(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Files right in the archive's only folder, by name; nothing is extracted. Raises RemoteError."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for number, entry in enumerate(archive):
                if number >= ENTRIES_LIMIT:
                    raise RemoteError(f"{path.name}: has more than {ENTRIES_LIMIT:,} members")
                _, _, name = entry.name.partition("/")
                if name in names and entry.isfile():
                    found[name] = _read_entry(archive, entry)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise RemoteError(f"{path.name}: the archive is damaged: {error}") from error
    for name in names:
        if name not in found:
            raise RemoteError(f"{path.name}: holds no {name}")
    return {name: found[name] for name in names}


def _read_entry(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    if entry.size > MEMBER_LIMIT_BYTES:
        raise RemoteError(f"{entry.name}: unpacks to {entry.size:,} bytes, more than {MEMBER_LIMIT_BYTES:,}")
    stream = archive.extractfile(entry)
    assert stream is not None  # it is a file
    return stream.read(MEMBER_LIMIT_BYTES)


def _download(
    package: Package, arguments: Sequence[str], pattern: str, folder: Path, env: Mapping[str, str] | None
) -> Path:
    # What is fetched is opened as an archive and never run: the Python that it asks for does not matter.
    options = ("--no-input", "--quiet", "--ignore-requires-python", *PIP_PATIENCE, "--dest", str(folder))
    command = [sys.executable, "-m", "pip", "download", *options, *arguments]
    done = run(command, timeout_s=FETCH_TIMEOUT_S, check=False, what="pip", env=env)
    if done.returncode != 0:
        if run([sys.executable, "-m", "pip", "--version"], timeout_s=60, check=False).returncode != 0:
            raise ToolError("pip is missing", hint=f"`{sys.executable} -m ensurepip` installs it")
        tail = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise RemoteError(
            "\n".join([f"{package.title}: pip could not fetch it", *(f"  | {line}" for line in tail)]),
            hint="check the network and pip's index settings, then run the same command again",
        )
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise RemoteError(f"{package.title}: pip fetched {len(files)} files {pattern}, wanted one")
    limit_bytes = package.bytes or FILE_LIMIT_BYTES
    if files[0].stat().st_size > limit_bytes:
        raise RemoteError(f"{package.title}: the file is larger than {limit_bytes:,} bytes")
    return files[0]
