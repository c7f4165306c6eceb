"""What of a dataset's index changed since the last release, where Git still has the index that was released."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tinyops.datasets.findings import Finding
from tinyops.errors import TinyopsError
from tinyops.files import digest_bytes
from tinyops.plan import Action, Plan
from tinyops.plan.findings import DataFinding
from tinyops.specs.model import RecordingsSource

if TYPE_CHECKING:
    from tinyops.reconcile.world import World

CHECK = "changed"
COMMIT_SHOWN = 12


def data_changes(world: World, plan: Plan) -> tuple[DataFinding, ...]:
    """A note for each changed index of the datasets that the plan reads anew, such as `+12 recordings, 3 relabelled`.

    Nothing is said of an index that this clone does not have as it was released.
    """
    changed = [c.subject for c in plan.changes if c.kind == "collect" and c.action is Action.UPDATE]
    commit = world.manifest.commit if world.manifest is not None and changed else None
    return tuple(note for name in changed for note in _of_dataset(world, name, commit)) if commit else ()


def _of_dataset(world: World, name: str, commit: str) -> Iterator[DataFinding]:
    from tinyops.datasets.difference import difference
    from tinyops.datasets.editing import read_index
    from tinyops.datasets.index import parse_index
    from tinyops.datasets.versions import bytes_at

    entry, record = world.repository.datasets[name], world.released_records[f"collect:{name}"]
    for number, source in enumerate(entry.document.spec.sources):
        if not isinstance(source, RecordingsSource):
            continue
        index = world.repository.source(entry, source.index)
        released = record.sources.get(f"index-{number}")
        if released is None or released == index.digest:
            continue
        try:
            old = bytes_at(index.path, commit)
            if digest_bytes(old) != released:
                continue
            found = difference(parse_index(old, "as released"), read_index(index.path), entry.document.spec)
        except TinyopsError:  # a shallow clone, or no Git: the plan is the same without
            continue
        file = index.path.relative_to(world.root).as_posix()
        said = found.summary() or "figures only"
        hint = f"`tinyops data diff {commit[:COMMIT_SHOWN]} --dataset {name}` lists it"
        yield DataFinding(name, Finding(CHECK, "note", f"{file} since the release: {said}", hint=hint))
