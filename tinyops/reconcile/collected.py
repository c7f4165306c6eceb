"""A dataset's recordings for looking at: what the store holds of them, or read anew from their sources."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.artifacts import Progress, Step
from tinyops.build.steps import collect_step
from tinyops.files import MIB, JsonObject, read_bounded
from tinyops.reconcile.storing import open_store
from tinyops.specs.loader import Repository
from tinyops.specs.lock import Lock

if TYPE_CHECKING:
    from tinyops.recordings import Recordings

DATASET_LIMIT_BYTES = 256 * MIB
FILES = ("recordings.npz", "dataset.json")


def collected(
    repository: Repository, name: str, lock: Lock | None, report: Callable[[Progress], None]
) -> tuple[Recordings, JsonObject]:
    """The recordings of a dataset and its `dataset.json`. Raises what its collect step raises."""
    from tinyops.recordings import load

    with tempfile.TemporaryDirectory(prefix="tinyops-collect-") as scratch:
        paths = _stored(repository, name, lock) if lock is not None else None
        if paths is None:
            paths = _read(collect_step(repository, name, lock), Path(scratch), report)
        dataset: JsonObject = json.loads(read_bounded(paths["dataset.json"], DATASET_LIMIT_BYTES))
        return load(paths["recordings.npz"]), dataset


def _stored(repository: Repository, name: str, lock: Lock) -> Mapping[str, Path] | None:
    store = open_store(repository, remote=False)
    record = store.lookup(collect_step(repository, name, lock).key({}))
    if record is None:
        return None
    found = {file: store.find(record.outputs[file]) for file in FILES}
    there = {file: path for file, path in found.items() if path is not None}
    return there if len(there) == len(FILES) else None


def _read(step: Step, folder: Path, report: Callable[[Progress], None]) -> Mapping[str, Path]:
    import tinyops.collect

    tinyops.collect.run(step, {name: source.path for name, source in step.sources.items()}, folder, report)
    return {file: folder / file for file in FILES}
