"""Sources of Debian packages, fetched through apt and kept by their digests. Nothing of them is installed or run."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tinyops.artifacts import Progress
from tinyops.errors import RemoteError, ToolError
from tinyops.fetching import Package, kept
from tinyops.files import MIB, digest_file, writing
from tinyops.process import find_tool, run

FETCH_TIMEOUT_S = 300
MEMBERS_LIMIT = 20_000
TREE_LIMIT_BYTES = 64 * MIB
FILE_LIMIT_BYTES = 64 * MIB
# What apt says of the archives that a machine installs from, one a line.
TARGETS = "$(CREATED_BY) $(COMPONENT) $(ORIGIN) $(RELEASE) $(REPO_URI)"


def fetch_originals(packages: Sequence[Package], report: Callable[[Progress], None]) -> dict[str, Path]:
    """The archive of each package as its authors made it (`.orig.tar`), by the package's name.

    From the download cache, or through apt from the archives that this machine installs from; apt's own settings
    and lists stay as they are, and it takes no rights. Raises RemoteError when one cannot be fetched or is another file
    than the pinned one, ToolError on a machine without apt.
    """
    missing = [one for one in packages if not _is_kept(one)]
    if missing:
        names = " and ".join(one.title for one in missing)
        report(Progress(0, 0, f"fetching the sources of {names} through apt…", announce=True))
        with tempfile.TemporaryDirectory(prefix="tinyops-apt-") as name:
            _fetch(missing, Path(name))
        report(Progress(1, 1, f"fetched the sources of {names}"))
    return {one.name: kept(one) for one in packages}


def read_tree(path: Path, folders: Iterable[str]) -> dict[str, bytes]:
    """The files below some folders of an archive's only folder, by their path there; nothing is extracted.

    Raises RemoteError.
    """
    wanted = tuple(f"{folder}/" for folder in folders)
    found: dict[str, bytes] = {}
    left = TREE_LIMIT_BYTES
    try:
        with tarfile.open(path, "r:*") as archive:
            for number, entry in enumerate(archive):
                left -= entry.size
                if number >= MEMBERS_LIMIT or left < 0:
                    raise RemoteError(
                        f"{path.name}: unpacks to more than {MEMBERS_LIMIT:,} files or {TREE_LIMIT_BYTES:,} bytes"
                    )
                _, _, name = entry.name.partition("/")
                if entry.isfile() and name.startswith(wanted) and ".." not in name.split("/"):
                    stream = archive.extractfile(entry)
                    assert stream is not None  # it is a file
                    found[name] = stream.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise RemoteError(f"{path.name}: the archive is damaged: {error}") from error
    return found


def _is_kept(package: Package) -> bool:
    path = kept(package)
    return path.is_file() and digest_file(path) == package.sha256


def _fetch(packages: Sequence[Package], folder: Path) -> None:
    apt = find_tool("apt-get", hint="these sources are Debian's: build in the devcontainer")
    for name in ("lists/partial", "cache/archives/partial", "got"):
        (folder / name).mkdir(parents=True)
    (folder / "sources.list").write_text("".join(f"{line}\n" for line in _source_lines(apt)))
    own = (
        *("-o", f"Dir::Etc::SourceList={folder / 'sources.list'}", "-o", "Dir::Etc::SourceParts=/dev/null"),
        *("-o", f"Dir::State::Lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"),
        *("-o", "APT::Sandbox::User=", "-o", "Acquire::Retries=2", "-q"),
    )
    _run([apt, *own, "update"], folder)
    _run([apt, *own, "source", "--download-only", *(f"{one.name}={one.version}" for one in packages)], folder / "got")
    for one in packages:
        _keep(one, folder / "got")


def _run(command: Sequence[str | Path], folder: Path) -> None:
    done = run(command, timeout_s=FETCH_TIMEOUT_S, check=False, what="apt-get", cwd=folder)
    if done.returncode != 0:
        tail = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise RemoteError(
            "\n".join(["apt could not fetch sources", *(f"  | {line}" for line in tail)]),
            hint="check the network; the sources are those of Debian 12: elsewhere build in the devcontainer",
        )


def _source_lines(apt: Path) -> list[str]:
    """Debian's archives that this machine installs from, for their sources. Raises ToolError."""
    targets = run([apt, "indextargets", "--format", TARGETS], timeout_s=FETCH_TIMEOUT_S).stdout
    found = set()
    for line in targets.splitlines():
        created_by, component, origin, release, uri = (*line.split(" "), "", "", "", "", "")[:5]
        if (created_by, component, origin) == ("Packages", "main", "Debian"):
            found.add(f"deb-src {uri} {release} {component}")
    if not found:
        raise ToolError("apt knows no archive of Debian's", hint="run apt-get update, or build in the devcontainer")
    return sorted(found)


def _keep(package: Package, folder: Path) -> None:
    files = sorted(folder.glob(f"{package.name}_*.orig.tar.*"))
    if len(files) != 1 or files[0].stat().st_size > FILE_LIMIT_BYTES:
        raise RemoteError(
            f"{package.title}: apt fetched {len(files)} archives of at most {FILE_LIMIT_BYTES:,} bytes, not one"
        )
    found = digest_file(files[0])
    if found != package.sha256:
        raise RemoteError(
            f"{files[0].name}: {package.pinned_by} pins {package.sha256}, what apt fetched is {found}",
            hint="do not use it: either it has changed at its origin, or the pin is another version's",
        )
    place = kept(package)
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        half = place.with_name(f".{place.name}.{os.getpid()}")
        half.write_bytes(files[0].read_bytes())
        os.replace(half, place)
