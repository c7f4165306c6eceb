"""Writing the lock's pins from what is installed here: the only place that looks at the machine."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from tinyops import __version__
from tinyops.boards.model import Board
from tinyops.errors import TinyopsError, ToolError
from tinyops.files import digest_file, digest_json
from tinyops.specs.loader import Repository
from tinyops.specs.lock import (
    TRAIN_PACKAGES,
    Lock,
    TinyopsPins,
    built_boards,
    fleet_boards,
    wanted_data,
    wanted_packages,
    wanted_programs,
    wanted_sources,
)

_PACKAGE = Path(__file__).resolve().parent.parent
# Folders below the package whose files decide what the compiler emits, and what a firmware is made of.
COMPILER_SOURCES = (
    "compiler",
    "graph",
    "features",
    "runtime/include",
    "runtime/kernels",
    "runtime/features",
    "runtime/image",
)
_RUNTIME = "app boot chain collect delta digest port settings signature smp update vendor"
FIRMWARE_SOURCES = (
    "firmware",
    "images",
    *(f"runtime/{name}" for name in _RUNTIME.split()),
    "runtime/include/tinyops/*.h",
)


def make_lock(
    repository: Repository,
    catalog: Mapping[str, Board],
    *,
    program_version: Callable[[str], str],
    platforms: Mapping[str, Mapping[str, str]] | None = None,
) -> Lock:
    """The lock of this machine's versions for a repository; nothing is imported or built.

    `program_version` gives the version of a compiler or emulator, or raises ToolError; `platforms` are the packages
    of the makers' platforms that are at hand, by board. Raises
    ToolError naming everything that is missing, with the extra or package that brings it.
    """
    boards = fleet_boards(repository, catalog)
    built = built_boards(repository, catalog)
    compilers, emulators = wanted_programs(built)
    missing: list[TinyopsError] = []
    programs = dict(_versions(compilers | emulators, program_version, missing))
    packages = dict(_versions(wanted_packages(repository), package_version, missing))
    if missing:
        raise ToolError("\n".join(str(error) for error in missing))
    return Lock(
        tinyops=own_pins(),
        compilers={name: programs[name] for name in sorted(compilers)},
        emulators={name: programs[name] for name in sorted(emulators)},
        python=packages,
        boards={name: board.digest for name, board in boards.items()},
        data=dict(sorted(wanted_data(repository).items())),
        sources=wanted_sources(built),
        platforms={name: dict(sorted(pins.items())) for name, pins in sorted((platforms or {}).items())},
    )


def own_pins() -> TinyopsPins:
    """This tinyops: what a build compares with the lock before it uses the lock's keys."""
    return TinyopsPins(
        version=__version__, compiler=digest_sources(COMPILER_SOURCES), firmware=digest_sources(FIRMWARE_SOURCES)
    )


def digest_sources(patterns: Iterable[str], root: Path = _PACKAGE) -> str:
    """Digest of all files below these folders, or of these names: names and contents, not times, not byte code."""
    places = [place for pattern in patterns for place in root.glob(pattern)]
    found = {path for place in places for path in (place, *place.rglob("*")) if path.is_file()}
    names = sorted(name for path in found if _is_source(name := path.relative_to(root).as_posix()))
    return digest_json([[name, digest_file(root / name)] for name in names])


def _is_source(name: str) -> bool:
    return not any(part == "__pycache__" or part.startswith(".") for part in name.split("/"))


def package_version(name: str) -> str:
    """The installed version of a package. Raises ToolError naming the extra that brings it."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        extra = "train" if name in TRAIN_PACKAGES and name != "numpy" else "build"
        raise ToolError(f"the Python package {name} is not installed", hint=f"pip install 'tinyops[{extra}]'") from None


def _versions(names: set[str], version: Callable[[str], str], missing: list[TinyopsError]) -> Iterator[tuple[str, str]]:
    for name in sorted(names):
        try:
            yield name, version(name)
        except ToolError as error:
            missing.append(error)
