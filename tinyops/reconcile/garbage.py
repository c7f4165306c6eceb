"""`tinyops gc`: what lives, from specs and releases; and dropping the rest of the artifact store."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from tinyops.artifacts import Record, Step, wanted_now
from tinyops.errors import RemoteError, TinyopsError
from tinyops.files import writing
from tinyops.manifest.document import DURABLE_KINDS, Manifest
from tinyops.reconcile.past import FAR
from tinyops.reconcile.storing import open_store
from tinyops.reconcile.world import World, parse_cache
from tinyops.release.store import ReleaseStore
from tinyops.remote.files import Stored
from tinyops.store import Folder, Shared, Store
from tinyops.store.folder import RECORDS
from tinyops.store.garbage import Live, Waste, find_waste, is_record
from tinyops.store.shared import DAY_S

AT_ONCE = 16
SCRATCH, PARSED = "scratch", "parsed specs"


@dataclass(frozen=True)
class Collected:
    """What was dropped, or would be: on this machine, and in the remote store when it was collected too."""

    here: tuple[Waste, ...]
    remote: tuple[Waste, ...] | None


def collect(
    see: Callable[[], World],
    *,
    keep_days: int,
    dry_run: bool,
    remote: bool,
    warn: Callable[[str], None] = lambda _: None,
) -> Collected:
    """Drops what neither specs nor releases need and what is older than `keep_days`.

    `see` observes the world: once more when nobody can release any more from what is in the folder. Raises
    Leased while a build uses the store, RemoteError when the remote store fails.
    """
    store = open_store(see().repository, warn=warn)
    keep_s = keep_days * DAY_S
    with store.folder.alone():
        world = see()
        live = live_of(world, store, remote=remote)
        if remote and store.shared is not None and store.shared.failed:
            raise RemoteError(
                f"{store.shared.remote.url}: failed, so what lives there is not known: nothing was dropped"
            )
        here = (
            *find_waste(store.folder.listing(), live, keep_s, store.folder.read, leftover_s=0),
            *_leftovers(store.folder, parse_cache(world.root), keep_s),
        )
        if not dry_run:
            _drop_here(here, store.folder, parse_cache(world.root))
    if not remote or store.shared is None:
        return Collected(here, None)
    return Collected(here, _collect_remote(store.shared, live, keep_s, dry_run=dry_run))


def _collect_remote(shared: Shared, live: Live, keep_s: float, *, dry_run: bool) -> tuple[Waste, ...]:
    """Records are read, and files removed, many at once: each takes a way there and back."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            listed = shared.listing()
            read = {f.name: pool.submit(shared.read, f.name) for f in listed if is_record(f)}
            waste = tuple(find_waste(listed, live, keep_s, lambda name: read.pop(name).result()))
            names = [line.file.name for line in waste if not dry_run]
            for of_records in (True, False):  # a record goes before what it names
                list(pool.map(shared.remove, [n for n in names if n.startswith(RECORDS) == of_records]))
        except BaseException:
            shared.patience.end()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return waste


def live_of(world: World, store: Store, *, remote: bool = False) -> Live:
    """What must stay: all that the last release names, what today's specs would find, and of every release
    what cannot be made again. With `remote`, records that only the remote store has are asked for, too.
    """
    local = store if remote else Store(store.folder, store.notary)
    named = list(world.released_records.values())
    named += desired_records(world.steps, world.recall, local).values()
    digests = set(world.manifest.assets) if world.manifest else set()
    whole = True
    for manifest in _earlier(world.releases, world.manifest):
        whole &= manifest is not None
        named += [r for r in manifest.steps.values() if _kind(r) in DURABLE_KINDS] if manifest else []
    digests |= {artifact.digest for record in named for artifact in record.outputs.values()}
    project = world.repository.project.document.name
    return Live(project, frozenset(r.key for r in named), frozenset(digests), all_durable=not whole)


def desired_records(
    steps: Iterable[Step], recall: Callable[[Step, str], Record | None], store: Store
) -> dict[str, Record]:
    """The record of each step that a build would not run, as far as its inputs are known."""
    found: dict[str, Record] = {}
    for step in wanted_now(steps, found):
        if any(ref.step not in found for ref in step.inputs.values()):
            continue
        key = step.key({name: found[ref.step].output_digest(ref.output) for name, ref in step.inputs.items()})
        record = recall(step, key) or store.peek(key)
        if record is not None:
            found[step.id] = replace(record, step=step.id)
    return found


def _kind(record: Record) -> str:
    return record.step.partition(":")[0]


def _earlier(releases: ReleaseStore | None, latest: Manifest | None) -> Iterable[Manifest | None]:
    """Releases before the latest, as far back as a search goes; None for what is not read: older ones, one that is
    gone, one that no key of today vouches for.
    """
    if releases is None or latest is None:
        return
    first = max(1, latest.version - FAR)
    if first > 1:
        yield None
    for version in range(first, latest.version):
        try:
            yield releases.read(version).manifest
        except TinyopsError:
            yield None


def _leftovers(folder: Folder, parsed: Path, keep_s: float) -> Iterable[Waste]:
    """What dead processes left, and parsed specs that nobody read for long."""
    for path in folder.abandoned():
        size = sum(p.lstat().st_size for p in path.rglob("*") if not p.is_dir())
        yield Waste(Stored(path.name, size, None), SCRATCH)
    for path in sorted(parsed.glob("*.json")):
        status = path.stat()
        if time.time() - status.st_mtime >= keep_s:
            yield Waste(Stored(path.name, status.st_size, None), PARSED)


def _drop_here(waste: Sequence[Waste], folder: Folder, parsed: Path) -> None:
    folder.sweep()
    for line in waste:
        if line.kind == PARSED:
            with writing(parsed):
                (parsed / line.file.name).unlink(missing_ok=True)
        elif line.kind != SCRATCH:
            folder.remove(line.file.name)
    _drop_empty_folders(folder)


def _drop_empty_folders(folder: Folder) -> None:
    """Only the exclusive holder of the folder may: a writer makes its folder before its file."""
    for path in (folder.root / "objects").glob("*"):
        if path.is_dir() and not any(path.iterdir()):
            shutil.rmtree(path, ignore_errors=True)
