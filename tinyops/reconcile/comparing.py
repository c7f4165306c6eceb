"""The difference between any two of: a release, a commit, the working tree."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyops.artifacts import ALL_OUTPUTS, Artifact, Record, Step
from tinyops.build.steps import desired_steps
from tinyops.errors import ToolError, UsageError
from tinyops.files import JsonObject, digest_json
from tinyops.manifest.choice import FACT, read_choice
from tinyops.plan import Action, Bound, Change, Plan, Released, make_plan
from tinyops.plan.diff import field_reasons, record_reasons
from tinyops.process import run
from tinyops.reconcile.opening import open_releases
from tinyops.reconcile.planning import fleet_json, released_fleets
from tinyops.reconcile.world import load_world_catalog
from tinyops.specs.loader import load_repository
from tinyops.specs.lock import LOCK_FILE, load_lock

WORKING_TREE = "."
GIT_S = 60
_TAG = re.compile(r"v[1-9][0-9]{0,8}")
_NOWHERE = Bound(*["sha256:" + "0" * 64] * 4)


@dataclass(frozen=True)
class Side:
    """One end of a comparison. `records` are those of a release, or what its steps would leave behind."""

    name: str
    project: str
    records: Mapping[str, Record]
    fleets: Mapping[str, Any]
    steps: tuple[Step, ...] | None
    commit: str | None = None


def compare(root: Path, old: str, new: str) -> tuple[Change, ...]:
    """What differs from `old` to `new`, each a release (`v3`), a commit by any of Git's names, or `.`.

    Two releases are compared by what they hold, figures included; a release with a commit as a plan would; two
    commits by what their specs, locks and files say. Raises UsageError for a name that is none of these.
    """
    before, after = side(root, old), side(root, new)
    if before.steps is None and after.steps is None:
        return (*_of_releases(before, after),)
    if after.steps is None:
        if after.commit is None:
            raise UsageError(
                f"{new} was made from specs that were not committed", hint=f"compare {new} with {old} instead"
            )
        after = side(root, after.commit)
    assert after.steps is not None
    released = Released(1, before.records, before.fleets)
    plan: Plan = make_plan(
        project=after.project, steps=after.steps, fleets=after.fleets, released=released, bound=_NOWHERE
    )
    return tuple(change for change in plan.changes if change.kind != "release")


def side(root: Path, name: str) -> Side:
    """One end by its name."""
    if _TAG.fullmatch(name):
        return _release(root, name)
    if name == WORKING_TREE:
        return _tree(root, name)
    with _checked_out(root, name) as folder:
        return _tree(folder, name)


def _release(root: Path, tag: str) -> Side:
    repository = load_repository(root, catalog=load_world_catalog(root))
    store = open_releases(repository)
    if store is None:
        raise UsageError(f"{tag}: nothing is released yet", hint="`tinyops apply` makes the first release")
    manifest = store.read(int(tag[1:])).manifest
    return Side(tag, manifest.project, manifest.steps, released_fleets(manifest), None, manifest.commit)


def _tree(root: Path, name: str) -> Side:
    catalog = load_world_catalog(root)
    repository = load_repository(root, catalog=catalog)
    steps = desired_steps(repository, load_lock(root / LOCK_FILE), catalog)
    fleets = {n: fleet_json(entry.document) for n, entry in repository.fleets.items()}
    return Side(name, repository.project.document.metadata.name, _foreseen(steps), fleets, steps)


def _foreseen(steps: Sequence[Step]) -> dict[str, Record]:
    """Records as if every output were a function of its step's key alone: equal keys, equal outputs."""
    wanted: dict[str, set[str]] = {step.id: {"output"} for step in steps}
    for step in steps:
        for ref in step.inputs.values():
            if ref.output != ALL_OUTPUTS:  # facts, too, follow from the key
                wanted[ref.step].add(ref.output)
    records: dict[str, Record] = {}
    for step in steps:
        inputs = {name: records[ref.step].output_digest(ref.output) for name, ref in step.inputs.items()}
        sources = {name: source.digest for name, source in step.sources.items()}
        key = step.key(inputs)
        outputs = {name: Artifact(digest_json([key, name]), 0) for name in sorted(wanted[step.id])}
        records[step.id] = Record(step.id, key, step.settings, step.lock, inputs, sources, outputs, {})
    return records


def _of_releases(before: Side, after: Side) -> Iterator[Change]:
    old, new = before.records, after.records
    for step in sorted({*old, *new}):
        kind, _, subject = step.partition(":")
        if step not in old:
            yield Change(kind, subject, Action.CREATE, key=new[step].key)
        elif step not in new:
            yield Change(kind, subject, Action.DELETE)
        elif old[step].key == new[step].key:
            yield Change(kind, subject, Action.KEEP, key=new[step].key)
        else:
            reasons = (
                *record_reasons(old[step], new[step]),
                *field_reasons(_figures(old[step]), _figures(new[step]), "figure"),
            )
            yield Change(kind, subject, Action.UPDATE, reasons, new[step].key)
    for name in sorted({*before.fleets, *after.fleets}):
        if name not in before.fleets or name not in after.fleets:
            yield Change("fleet", name, Action.CREATE if name in after.fleets else Action.DELETE)
        else:
            reasons = (*field_reasons(before.fleets[name], after.fleets[name]),)
            yield Change("fleet", name, Action.UPDATE if reasons else Action.KEEP, reasons)


def _figures(record: Record) -> JsonObject:
    """The facts of a record; of a choice, what was picked and why, not what each candidate costs."""
    choice = read_choice(record)
    if choice is None:
        return record.facts
    return {**record.facts, FACT: {"why": choice.why, "front": choice.front}}


@contextlib.contextmanager
def _checked_out(root: Path, name: str) -> Iterator[Path]:
    """The tree of a commit in a folder of its own; the working tree is not touched."""
    if name.startswith("-"):
        raise UsageError(f"{name}: is no commit", hint="a release (v3), a commit by any of Git's names, or .")
    with tempfile.TemporaryDirectory(prefix="tinyops-diff-") as folder:
        tree, index = Path(folder) / "tree", {"GIT_INDEX_FILE": str(Path(folder) / "index")}  # not the user's own
        try:
            found = run(
                ["git", "-C", root, "rev-parse", "--show-toplevel", "--show-prefix"], timeout_s=GIT_S, what="git"
            )
            top, below = found.stdout.splitlines()
            git: list[str | Path] = ["git", "-C", top]
            run([*git, "read-tree", f"{name}^{{commit}}"], timeout_s=GIT_S, env=index, what="git read-tree")
            run(
                [*git, "checkout-index", "-a", f"--prefix={tree}/"],
                timeout_s=GIT_S,
                env=index,
                what="git checkout-index",
            )
        except ToolError as error:
            hint = "a release (v3), a commit by any of Git's names, or .; in a shallow clone, `git fetch --unshallow`"
            said = error.message.splitlines()[-1].strip(" |")
            raise UsageError(f"{name}: Git gives no such commit here: {said}", hint=hint) from None
        yield tree / below
