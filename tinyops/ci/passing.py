"""What one job made, handed to the next: objects and records of the store in a folder, checked when they are taken."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tinyops.artifacts import Artifact, InputRef, Record, Source, Step
from tinyops.errors import RemoteError, SpecError, ToolError
from tinyops.files import CHUNK_BYTES, digest_file, read_bounded, replacing, write_atomic
from tinyops.store import Store
from tinyops.store.records import RECORD_LIMIT_BYTES, read_stored

FOLDERS_MAX = 2_000
FILES_MAX = 200_000
_RECORD = re.compile(r"([0-9a-f]{64})\.json")
_OBJECT = re.compile(r"([0-9a-f]{2})/([0-9a-f]{62})")


@dataclass(frozen=True)
class Handed:
    """Keys whose records are there now, and what was left out with the reason."""

    keys: tuple[str, ...]
    refused: tuple[str, ...]


def hand_on(store: Store, records: Iterable[Record], folder: Path) -> int:
    """Copies records and their outputs out of the store; returns how many records."""
    count = 0
    for record in records:
        for artifact in record.outputs.values():
            path, found = store.folder.object_path(artifact.digest), store.find(artifact)
            if found is None:
                raise ToolError(f"{record.step}: {artifact.digest} is no longer in the store", hint="run it again")
            _copy(found, folder / path.relative_to(store.root))
        here = store.folder.read_record(record.key)
        if here is None:
            raise ToolError(f"{record.step}: its record is no longer in the store", hint="run it again")
        write_atomic(folder / store.folder.record_path(record.key).relative_to(store.root), here[0])
        count += 1
    return count


def take(store: Store, folder: Path, *, vouch: bool = False) -> Handed:
    """Brings what jobs handed on into the store: a folder of them, or one.

    Each object is checked against its name; each record against its key, for all its outputs, and for who made it: the
    store takes what a trusted key signed, or what this very run made. With `vouch` the latter is signed by this run,
    so that it may be released: only for what was handed over where no other run can write. What is there already
    stays. Links are not followed.
    """
    keys: list[str] = []
    refused: list[str] = []
    sources = [*_sources(folder)]
    for source in sources:
        for path in _files(source / "objects"):
            _take_object(store, path, path.relative_to(source / "objects").as_posix(), refused)
    for source in sources:
        for path in _files(source / "records"):
            fault = _take_record(store, path, vouch)
            if fault is None:
                keys.append(f"sha256:{path.stem}")
            else:
                refused.append(f"{path}: {fault}")
    return Handed((*dict.fromkeys(keys),), (*refused,))


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
    digest = digest_file(path)
    if match is None or digest != f"sha256:{match.group(1)}{match.group(2)}":
        refused.append(f"{path}: is not what its name says")
    elif store.folder.find(Artifact(digest, path.stat().st_size)) is None:
        store.add(path)


def _take_record(store: Store, path: Path, vouch: bool) -> str | None:
    """Why a record is not taken; None when the store has one of that key now."""
    match = _RECORD.fullmatch(path.name)
    if match is None:
        return "is no record's name"
    key = f"sha256:{match.group(1)}"
    if store.lookup(key) is not None:
        return None
    try:
        data = read_bounded(path, RECORD_LIMIT_BYTES)
        stored, _ = read_stored(data, where=path.name)
    except (SpecError, RemoteError) as error:
        return error.message
    if stored.project != store.notary.project or not stored.record.key == key == _key_of(stored.record):
        return "is a record of another key or project"
    if vouch and stored.run.is_same(store.notary.run):
        data = store.notary.seal(stored.record)
    store.folder.write_record(key, data)
    if store.lookup(key) is not None:
        return None
    store.folder.drop_record(key)
    return f"made by {stored.run} and not signed by a trusted key, or without all its files"


def _key_of(record: Record) -> str:
    """The key that a record's own account of itself gives."""
    kind, _, subject = record.step.partition(":")
    inputs = {name: InputRef("", name) for name in record.inputs}
    sources = {name: Source(Path(), digest) for name, digest in record.sources.items()}
    return Step(kind, subject, record.settings, record.lock, inputs, sources).key(record.inputs)


def _copy(source: Path, to: Path) -> None:
    with replacing(to, mode=0o444) as writer, source.open("rb") as reader:
        shutil.copyfileobj(reader, writer, CHUNK_BYTES)
