"""Releases of the past: who made which, from which commit and plan, what it moved, held and overrode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tinyops.errors import TinyopsError, ToolError
from tinyops.manifest.document import FleetEntry, Manifest
from tinyops.process import run
from tinyops.reconcile.opening import open_releases
from tinyops.reconcile.world import load_world_catalog, parse_cache
from tinyops.release.store import Unreachable
from tinyops.specs.loader import load_repository


@dataclass(frozen=True)
class Lifted:
    """A gate or a limit that a fleet moved in spite of."""

    fleet: str
    gate: str
    author: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """One release. `author` is the commit's, where this checkout knows it; `moved` are fleets whose files changed."""

    tag: str
    created: str
    commit: str | None
    author: str | None
    plan: str
    moved: tuple[str, ...]
    overridden: tuple[Lifted, ...]
    held: tuple[str, ...]


def history(root: Path, limit: int) -> Iterator[Entry]:
    """The newest releases first, each verified, up to one that is gone."""
    repository = load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root))
    store = open_releases(repository)
    latest = store.latest() if store else None
    if store is None or latest is None:
        return
    manifest: Manifest | None = latest.manifest
    while manifest is not None and latest.manifest.version - manifest.version < limit:
        before = None
        if manifest.version > 1:
            try:
                before = store.read(manifest.version - 1).manifest
            except Unreachable:  # perhaps it is there
                raise
            except TinyopsError:
                pass
        yield _entry(root, manifest, before)
        manifest = before


def _entry(root: Path, manifest: Manifest, before: Manifest | None) -> Entry:
    old = before.fleets if before else {}
    return Entry(
        manifest.tag,
        manifest.created,
        manifest.commit,
        _author(root, manifest.commit),
        manifest.plan,
        tuple(name for name, fleet in sorted(manifest.fleets.items()) if _files(fleet) != _files(old.get(name))),
        (*_lifted(manifest),),
        tuple(f"{held.fleet} held since v{held.since}: {held.reason}" for held in manifest.held),
    )


def _lifted(manifest: Manifest) -> Iterator[Lifted]:
    for limit in manifest.overrides:
        yield Lifted(limit.fleet or manifest.project, limit.limit, limit.author, limit.reason)
    for name, fleet in sorted(manifest.fleets.items()):
        for gate in fleet.overridden if fleet.carried is None else ():
            yield Lifted(name, gate.gate, gate.author, gate.reason)


def _files(fleet: FleetEntry | None) -> dict[str, list[str]]:
    if fleet is None:
        return {}
    return {board: [file.digest for _, file in offered.files()] for board, offered in fleet.boards.items()}


def _author(root: Path, commit: str | None) -> str | None:
    """The author of a commit; None where this checkout does not know it."""
    if commit is None:
        return None
    with suppress(ToolError):
        return run(["git", "-C", root, "show", "-s", "--format=%an", commit, "--"], timeout_s=20).stdout.strip() or None
    return None
