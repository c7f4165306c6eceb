"""The lock: what builds are made with and from, pinned and reviewed. Step keys use it, never what is installed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, PrivateAttr

from tinyops.boards.model import Board
from tinyops.documents import Digest, Matching, ParseCache, Strict, YamlDocument, read, shown_path, validate
from tinyops.documents.reading import Loc
from tinyops.errors import Problem, SpecError
from tinyops.files import JsonObject, digest_json
from tinyops.specs.dataset import FilesSource, WheelSource
from tinyops.specs.layers import TfliteArchitecture
from tinyops.specs.loader import Repository
from tinyops.toolchain import COMPILERS

LOCK_FILE = "specs/tinyops.lock.yaml"
RELOCK = "run `tinyops lock`, review what it writes and commit it"
TRAIN_PACKAGES = ("ai-edge-quantizer", "keras", "numpy", "tensorflow-cpu")
BUILD_PACKAGES = ("ai-edge-litert", "numpy", "platformio", "scons", "tflite-micro")
WASM_LINKER = "wasm-ld"
# Sources of others that firmware is made of, fetched where it is built: what `tinyops lock` pins, and the digest of the
# package's archive.
SIGNATURE_SOURCE = "pymonocypher 4.0.3.4"
SOURCES: Mapping[str, str] = {
    SIGNATURE_SOURCE: "sha256:5e56e3d3eb770a53e0b9f6274146663c11a11f3d0de5cd48e3be0428d1b07a4a"
}

Version: TypeAlias = Annotated[
    str, Matching(r"^[0-9][A-Za-z0-9.+!_-]*$", "a version is exact, such as 12.2.1", max_length=64)
]

_HEADER = """\
# yaml-language-server: $schema=../generated/schema/lock.json
# Written by `tinyops lock`, never by hand. What builds are made with and from: a change here changes
# keys, so review it like code.
"""


class TinyopsPins(Strict):
    """tinyops itself: its version, and digests of its sources that decide bytes."""

    version: Version
    compiler: Digest = Field(description="Of the compiler's, graph's, features' and kernels' source files.")
    firmware: Digest = Field(description="Of the firmware's templates and platform and the runtime's C sources.")


class Lock(Strict):
    """What is pinned. Mappings are from a name to an exact version or a digest."""

    apiVersion: Literal["tinyops/v1"] = "tinyops/v1"
    kind: Literal["Lock"] = "Lock"
    tinyops: TinyopsPins
    compilers: Mapping[str, Version] = Field(default={}, description="By name of the program.")
    emulators: Mapping[str, Version] = Field(default={}, description="By name of the program.")
    python: Mapping[str, Version] = Field(default={}, description="By name of the package.")
    boards: Mapping[str, Digest] = Field(default={}, description="Facts of the boards that fleets name.")
    data: Mapping[str, Digest] = Field(default={}, description="Packages by name and version, indexes by path.")
    sources: Mapping[str, Digest] = Field(
        default={}, description="Packages of C sources, by name and version, that firmware is built with."
    )
    platforms: Mapping[str, Mapping[str, Version]] = Field(
        default={},
        description="By board: each PlatformIO package that its maker's platform builds with; boards without are only "
        "rendered.",
    )

    _yaml: YamlDocument | None = PrivateAttr(default=None)

    @property
    def digest(self) -> str:
        """`sha256:<hex>` over everything pinned."""
        return digest_json(self.model_dump(mode="json"))

    def __eq__(self, other: object) -> bool:
        """Locks are equal when they pin the same, wherever they were read from."""
        return isinstance(other, Lock) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def problem(self, loc: Loc, message: str) -> Problem:
        if self._yaml is None:
            return Problem(LOCK_FILE, 1, 1, message, RELOCK)
        return self._yaml.problem(loc, message, RELOCK)


def load_lock(path: Path, *, cache: Path | None = None) -> Lock:
    """Reads a lock. Raises SpecError with every problem, and when there is none."""
    shown = shown_path(path)
    if not path.is_file():
        raise SpecError([Problem(shown, 1, 1, "there is no lock", RELOCK)])
    parsed = ParseCache(cache, "lock") if cache is not None else None
    documents = read(path, parsed)
    if len(documents) != 1:
        raise SpecError([documents[1].problem((), "a lock is one document", RELOCK)])
    lock = validate(documents[0], Lock)
    if isinstance(lock, list):
        raise SpecError(lock)
    if parsed is not None:
        parsed.save()
    lock._yaml = documents[0]
    return lock


def dump_lock(lock: Lock) -> bytes:
    """The lock's file: the same bytes for the same pins, in order of name."""
    value = lock.model_dump(mode="json")
    lines = [f"{key}: {value.pop(key)}" for key in ("apiVersion", "kind")]
    for section, pins in value.items():
        lines.append(f"{section}:" if pins else f"{section}: {{}}")
        lines += [f"  {_key(name)}: {json.dumps(pins[name])}" for name in sorted(pins)]
    return (_HEADER + "\n".join(lines) + "\n").encode()


def _key(name: str) -> str:
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./+-]*( [0-9][A-Za-z0-9.+!]*)?", name)
    return name if plain and name.lower() not in ("true", "false", "null") else json.dumps(name, ensure_ascii=False)


# -- what the lock must hold -------------------------------------------------------------------


def fleet_boards(repository: Repository, catalog: Mapping[str, Board]) -> dict[str, Board]:
    """The boards that fleets name, in order of name."""
    names = {spec.board_of(n) for e in repository.fleets.values() for spec in [e.document.spec] for n in spec.targets}
    return {name: catalog[name] for name in sorted(names)}


def built_boards(repository: Repository, catalog: Mapping[str, Board]) -> dict[str, Board]:
    """The same with the firmware that each fleet chose for them, by fleet and board."""
    return {
        f"{fleet}/{name}": catalog[entry.document.spec.board_of(name)].built_with(binding.framework)
        for fleet, entry in repository.fleets.items()
        for name, binding in entry.document.spec.targets.items()
    }


def wanted_programs(boards: Mapping[str, Board]) -> tuple[set[str], set[str]]:
    """The compilers and the emulators that these boards need; a core that nothing here compiles for needs none."""
    compilers: set[str] = {board.spec.compiler for board in boards.values() if board.spec.cpu in COMPILERS}
    if "clang" in compilers:
        compilers.add(WASM_LINKER)
    return compilers, {name for board in boards.values() if (name := board.spec.emulator)}


def wanted_packages(repository: Repository) -> set[str]:
    """The Python packages whose versions decide what is built."""
    models = [entry.document.spec for entry in repository.models.values()]
    trained = any(not isinstance(m.architecture, TfliteArchitecture) for m in models)
    return {*(TRAIN_PACKAGES if trained else ()), *(BUILD_PACKAGES if models else ())}


def wanted_data(repository: Repository) -> dict[str, str]:
    """The digest of each package and hand-written index that datasets are made from.

    An index of recordings pins them by itself: it is in Git, and every recording is a reviewed line of it.
    """
    found: dict[str, str] = {}
    for entry in repository.datasets.values():
        for source in entry.document.spec.sources:
            if isinstance(source, WheelSource):
                found[source.file or f"{source.package} {source.version}"] = source.sha256
            elif isinstance(source, FilesSource):
                index = repository.source(entry, source.index)
                found[index.path.relative_to(repository.root).as_posix()] = index.digest
    return found


def wanted_sources(boards: Mapping[str, Board]) -> dict[str, str]:
    """The digest of each package of sources that these boards' firmware is built with."""
    signed = any(has_slots(board) for board in boards.values())
    return {SIGNATURE_SOURCE: SOURCES[SIGNATURE_SOURCE]} if signed else {}


def has_slots(board: Board) -> bool:
    """Whether it takes signed images."""
    return board.spec.layout is not None and board.spec.layout.state is not None


def lock_problems(lock: Lock, repository: Repository, catalog: Mapping[str, Board]) -> list[Problem]:
    """What the lock lacks, or what no longer agrees with specs and catalogue. Pins that nothing uses are left alone."""
    boards = fleet_boards(repository, catalog)
    built = built_boards(repository, catalog)
    compilers, emulators = wanted_programs(built)
    missing = [
        *_missing(lock, "compilers", compilers),
        *_missing(lock, "emulators", emulators),
        *_missing(lock, "python", wanted_packages(repository)),
    ]
    digests = {name: board.digest for name, board in boards.items()}
    return [
        *missing,
        *_differing(lock, "boards", digests, "the facts of board {} have changed"),
        *_missing(lock, "sources", set(wanted_sources(built))),
        *_differing(lock, "data", wanted_data(repository), "the specs name another digest of {}"),
    ]


def _missing(lock: Lock, section: str, wanted: set[str]) -> Iterator[Problem]:
    pins: Mapping[str, Any] = getattr(lock, section)
    for name in sorted(wanted - pins.keys()):
        yield lock.problem((section,), f"{section}: {name} is not pinned")


def _differing(lock: Lock, section: str, wanted: JsonObject, sentence: str) -> Iterator[Problem]:
    pins: Mapping[str, str] = getattr(lock, section)
    yield from _missing(lock, section, set(wanted))
    for name in sorted(wanted.keys() & pins.keys()):
        if pins[name] != wanted[name]:
            yield lock.problem((section, name), f"{section}: {sentence.format(name)} since the lock was written")
