"""What one job made, handed to the next: objects and records of the store in a folder, checked when they are taken."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tinyops.artifacts import RECORD_LIMIT_BYTES, Record, Store
from tinyops.errors import SpecError, ToolError
from tinyops.files import CHUNK_BYTES, digest_file, read_bounded, replacing, write_atomic, writing

FOLDERS_MAX = 2_000
FILES_MAX = 200_000
_RECORD = re.compile(r"([0-9a-f]{64})\.json")
_OBJECT = re.compile(r"([0-9a-f]{2})/([0-9a-f]{62})")


@dataclass(frozen=True)
class Taken:
    """Keys whose records are there now, and what was left out with the reason."""

    keys: tuple[str, ...]
    refused: tuple[str, ...]


def hand_on(store: Store, records: Iterable[Record], folder: Path) -> int:
    """Copies records and their outputs out of the store; returns how many records."""
    count = 0
    for record in records:
        for artifact in record.outputs.values():
            path = store.find(artifact)
            if path is None:
                raise ToolError(f"{record.step}: {artifact.digest} is no longer in the store", hint="run it again")
            _copy(path, folder / path.relative_to(store.root))
        name = _record_name(record.key)
        write_atomic(folder / name, read_bounded(store.root / name, RECORD_LIMIT_BYTES))
        count += 1
    return count


def take(store: Store, folder: Path) -> Taken:
    """Brings what jobs handed on into the store: a folder of them, or one.

    Each object is checked against its name, each record by the store as it checks its own: of that key, with all its
    outputs, and from whom it takes records. What is there already stays. Links are not followed.
    """
    keys: list[str] = []
    refused: list[str] = []
    sources = [*_sources(folder)]
    for source in sources:
        for path in _files(source / "objects"):
            _take_object(store, path, path.relative_to(source / "objects").as_posix(), refused)
    for source in sources:
        for path in _files(source / "records"):
            match = _RECORD.fullmatch(path.name)
            if match is None:
                refused.append(f"{path}: is no record's name")
            elif _take_record(store, path, f"sha256:{match.group(1)}", refused):
                keys.append(f"sha256:{match.group(1)}")
    return Taken((*dict.fromkeys(keys),), (*refused,))


def _sources(folder: Path) -> Iterator[Path]:
    if (folder / "records").is_dir():
        yield folder
        return
    children = sorted(folder.iterdir()) if folder.is_dir() else []
    if len(children) > FOLDERS_MAX:
        raise ToolError(f"{folder}: more than {FOLDERS_MAX:,} folders", hint="jobs hand on one folder each")
    yield from (child for child in children if child.is_dir() and not child.is_symlink())


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_symlink():
        return
    for count, path in enumerate(sorted(folder.rglob("*"))):
        if count > FILES_MAX:
            raise ToolError(f"{folder}: more than {FILES_MAX:,} files", hint="no job makes that many")
        if path.is_file() and not path.is_symlink():
            yield path


def _take_object(store: Store, path: Path, name: str, refused: list[str]) -> None:
    match = _OBJECT.fullmatch(name)
    if match is None or digest_file(path) != f"sha256:{match.group(1)}{match.group(2)}":
        refused.append(f"{path}: is not what its name says")
        return
    there = store.root / "objects" / name
    if not there.exists() or digest_file(there) != digest_file(path):
        _copy(path, there)


def _take_record(store: Store, path: Path, key: str, refused: list[str]) -> bool:
    """Whether the store takes it, or has a record of that key already."""
    if store.lookup(key) is not None:
        return True
    there = store.root / _record_name(key)
    try:
        write_atomic(there, read_bounded(path, RECORD_LIMIT_BYTES))
    except SpecError as error:
        refused.append(error.message)
        return False
    if store.lookup(key) is not None:
        return True
    with writing(there):
        there.unlink(missing_ok=True)
    refused.append(f"{path}: not a record of its key, not trusted, or without all its files")
    return False


def _record_name(key: str) -> str:
    return f"records/{key.removeprefix('sha256:')}.json"


def _copy(source: Path, to: Path) -> None:
    with replacing(to, mode=0o444) as writer, source.open("rb") as reader:
        shutil.copyfileobj(reader, writer, CHUNK_BYTES)
