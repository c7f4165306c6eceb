"""The int8 model of today for a dataset: as released, or as it was built here last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinyops.artifacts import Artifact, Record
from tinyops.build.steps import collect_step, model_steps
from tinyops.errors import UsageError
from tinyops.reconcile.apply import fetcher
from tinyops.reconcile.garbage import desired_records
from tinyops.reconcile.opening import open_releases
from tinyops.reconcile.world import World, load_world_catalog, parse_cache
from tinyops.release.github.patience import nobody
from tinyops.specs.loader import Repository, load_repository
from tinyops.specs.lock import LOCK_FILE, load_lock
from tinyops.store import Store
from tinyops.store.folder import RECORDS

FILES = ("int8.tflite", "features.json")
MAKE = "`tinyops plan --build` trains one, `tinyops apply` releases it"


@dataclass(frozen=True)
class CurrentModel:
    """A model's name, where it comes from in words, its .tflite and its features.json."""

    name: str
    origin: str
    int8: Path
    features: Path


def current_model(root: Path, dataset: str, name: str | None = None) -> CurrentModel:
    """The model of a dataset, or the named one of several.

    That the index is another than the lock says is no hindrance: who labels changes it. Raises UsageError when there is
    no model yet, and what reading specs and releases raises.
    """
    catalog = load_world_catalog(root)
    repository = load_repository(root, catalog=catalog, cache=parse_cache(root))
    named = _named(repository, dataset, name)
    lock = load_lock(root / LOCK_FILE, cache=parse_cache(root))
    releases = open_releases(repository, nobody)
    world = World(repository, lock, catalog, releases, releases.latest() if releases else None)
    for candidate in named:
        for origin, record in _records(world, dataset, candidate):
            paths = [_path(world, record.outputs.get(file)) for file in FILES]
            if paths[0] is not None and paths[1] is not None:
                return CurrentModel(candidate, origin, paths[0], paths[1])
    raise UsageError(f"{', '.join(named)}: was not built yet", hint=MAKE)


def _named(repository: Repository, dataset: str, name: str | None) -> list[str]:
    """Models of the dataset, or the one of them that was named. Raises UsageError."""
    named = [model for model, entry in repository.models.items() if entry.document.spec.dataset == dataset]
    if not named:
        hint = "write a document of kind Model that names it; `tinyops init` writes an example"
        raise UsageError(f"no model is trained on {dataset} yet", hint=hint)
    if name is not None and name not in named:
        raise UsageError(f"no model {name!r} has the dataset {dataset}", hint=f"models with it: {', '.join(named)}")
    return named if name is None else [name]


def _records(world: World, dataset: str, model: str) -> Iterator[tuple[str, Record]]:
    """Of the int8 model, the best first: as specs and data want it now, as it is released, as it was built last."""
    variant = world.repository.models[model].document.spec.squeeze.all[0].name
    step = f"squeeze:{model}/{variant}"
    tag = world.manifest.tag if world.manifest else ""
    store = Store(world.store.folder, world.store.notary)
    steps = (collect_step(world.repository, dataset, world.lock), *model_steps(world.repository, model, world.lock))
    wanted = desired_records(steps, world.recall, store).get(step)
    if wanted is not None:
        yield "up to date with specs and data", wanted
    if step in world.released_records:
        yield f"of release {tag}", world.released_records[step]
    for record in _built(world, step):
        yield "built here from an earlier state of the data", record


def _built(world: World, step: str) -> list[Record]:
    """What the store's folder has of a step, the newest first; a record that is none is not ours to judge."""
    folder, found = world.store.folder, []
    for stored in sorted(folder.listing(), key=lambda stored: stored.age_s or 0.0):
        if not stored.name.startswith(f"{RECORDS}/"):
            continue
        key = "sha256:" + Path(stored.name).stem
        if _names(folder.read(stored.name), step) and (record := world.store.peek(key)) is not None:
            found.append(record)
    return found


def _names(data: bytes, step: str) -> bool:
    """Whether a record's file may be of a step: its trust is looked at only then."""
    return json.dumps(step).encode() in data


def _path(world: World, artifact: Artifact | None) -> Path | None:
    if artifact is None:
        return None
    return world.store.find(artifact) or fetcher(world, world.store)(artifact)
