"""Building what is stale and publishing one release."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tinyops.artifacts import Artifact, closure
from tinyops.build.execute import Executor, Outcome, Watcher
from tinyops.build.fits import with_boards
from tinyops.build.trust import TRUSTED_FILES
from tinyops.errors import RemoteError, SpecError, TinyopsError, ToolError, UnsafePlan
from tinyops.manifest.document import Manifest
from tinyops.manifest.fields import time_text
from tinyops.manifest.keys import SigningKey
from tinyops.plan import Action, Plan
from tinyops.plan.gates import missed_gates, missed_proof
from tinyops.process import run
from tinyops.reconcile.assemble import Draft, Stamp, assemble, fleet_steps
from tinyops.reconcile.world import World, observe, plan_of
from tinyops.release.secrets import load_signing_key
from tinyops.release.store import Unreachable, sign_release


@dataclass(frozen=True)
class Applied:
    """What apply left behind. `published` is False when there was nothing to release.

    `missed` maps each fleet that did not move to why; `errors` are those of steps, by step.
    """

    manifest: Manifest | None
    published: bool
    missed: Mapping[str, tuple[str, ...]]
    errors: Mapping[str, TinyopsError]


def build(world: World, watcher: Watcher, *, jobs: int, replace: Collection[str] = ()) -> Outcome:
    """Runs every stale step and publishes nothing."""
    store = world.store
    store.sweep()
    outcome = Executor(store, world.released_records, fetcher(world), watcher, jobs, replace).run(world.steps)
    steps = {step.id: step for step in world.steps}
    errors = {i: with_boards(steps[i], e, outcome.records, world.catalog) for i, e in outcome.errors.items()}
    return Outcome(outcome.records, errors)


def preview(world: World, plan: Plan, watcher: Watcher, *, jobs: int, replace: Collection[str] = ()) -> Applied:
    """What apply would release; publishes nothing and needs no key.

    A fleet that misses a gate is shown with the figures that miss it, not with those it would keep.
    """
    outcome = build(world, watcher, jobs=jobs, replace=replace)
    missed = missed_fleets(world, outcome)
    built = set(outcome.records)
    unbuilt = {name: why for name, why in missed.items() if not built.issuperset(fleet_steps(name, world.fleets[name]))}
    draft = _assembled(world, plan, outcome, unbuilt)
    shown = draft.manifest if draft.manifest.fleets else world.manifest
    return Applied(shown, False, missed, outcome.errors)


def fetcher(world: World) -> Callable[[Artifact], Path | None]:
    """Brings a released output back into the store; None for what no release holds intact."""

    def fetch(artifact: Artifact) -> Path | None:
        manifest, releases = world.manifest, world.releases
        if manifest is None or releases is None or artifact.digest not in manifest.assets:
            return None
        try:
            world.store.add(releases.fetch_output(manifest, artifact.digest))
        except Unreachable:  # perhaps it is there: nothing may be trained anew for that
            raise
        except RemoteError:
            pass
        return world.store.find(artifact)

    return fetch


def missed_fleets(world: World, outcome: Outcome) -> dict[str, tuple[str, ...]]:
    """Why a fleet may not move: a step of it failed, a gate of its model or its proof is missed."""
    missed: dict[str, tuple[str, ...]] = {}
    for name, fleet in world.fleets.items():
        ids = closure(fleet_steps(name, fleet), world.steps)
        reasons = [f"{i}: {outcome.errors[i].message.splitlines()[0]}" for i in sorted(ids & set(outcome.errors))]
        if not reasons:
            spec = world.repository.models[fleet.spec.model_name].document.spec
            squeezed = outcome.records[f"squeeze:{fleet.spec.model_name}/int8"]
            reasons += missed_gates(spec.gates, squeezed.facts)
            for board in fleet.spec.boards:
                reasons += missed_proof(fleet, board, outcome.records[f"twin:{name}/{board}"].facts["proof"])
        if reasons:
            missed[name] = tuple(reasons)
    return missed


def held_fleets(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The fleets that a plan holds, and why."""
    held = (c for c in plan.changes if c.action is Action.HELD)
    return {c.subject: tuple(str(r) for r in c.reasons) for c in held}


def apply(
    root: Path,
    watcher: Watcher,
    *,
    jobs: int,
    lock_file: Path | None = None,
    saved: Plan | None = None,
    replace: Collection[str] = (),
) -> Applied:
    """Makes the release that the specs ask for. Idempotent; a killed one is carried on by the next.

    Raises Leased when another apply runs, UnsafePlan when `saved` was made in another world,
    ToolError without a signing key. Errors of single steps hold their fleets back and are returned.
    """
    if saved is not None:  # it says itself what it replaces
        replace = {change.id for change in saved.changes if change.action is Action.REPLACE}
    world = observe(root, lock_file=lock_file, say=watcher.note)
    key = signing_key(world)
    if world.releases is None:
        raise ToolError(
            f"{TRUSTED_FILES[1]}: no public key is trusted here, so nobody could verify a release",
            hint="`tinyops keys new NAME` makes a key and trusts it on this machine",
        )
    with world.releases.lease("apply") as lease:
        world = observe(root, lock_file=lock_file, say=watcher.note)  # under the lease nobody else moves the release
        plan = plan_of(world, replace=replace)
        if saved is not None and saved.digest != plan.digest:
            raise UnsafePlan(_moved(saved, plan), hint="plan again and have the new plan reviewed")
        if not plan.pending:
            return Applied(world.manifest, False, held_fleets(plan), {})
        outcome = build(world, watcher, jobs=jobs, replace=replace)
        missed = missed_fleets(world, outcome)
        draft = _draft(world, plan, outcome, missed)
        if draft is None:
            return Applied(world.manifest, False, missed, outcome.errors)
        files = {name: (_stored(world, artifact), artifact.digest) for name, artifact in draft.files.items()}
        assert world.releases is not None
        released = world.releases.publish(sign_release(draft.manifest, [key]), files, lease)
        return Applied(released.manifest, True, missed, outcome.errors)


def signing_key(world: World) -> SigningKey:
    """The key that signs releases. Raises ToolError naming the ways to give it."""
    entry = world.repository.project
    signer = entry.document.spec.signing.image
    if signer.key is None:
        raise SpecError(f"{entry.file}: signing.image has no key", hint="key: {secret: NAME}")
    return load_signing_key(signer.key.secret, world.root)


def _draft(world: World, plan: Plan, outcome: Outcome, missed: Mapping[str, tuple[str, ...]]) -> Draft | None:
    """The next release, or None when it would only repeat the last one.

    That a fleet is held by a gate is worth a release; that a step failed here and now is not.
    """
    draft = _assembled(world, plan, outcome, missed)
    before = world.manifest
    if before is None:
        return draft if draft.manifest.fleets else None
    fields = ("steps", "fleets") if outcome.errors else ("steps", "fleets", "held")
    return draft if any(_comparable(draft.manifest, f) != _comparable(before, f) for f in fields) else None


def _assembled(world: World, plan: Plan, outcome: Outcome, missed: Mapping[str, tuple[str, ...]]) -> Draft:
    return assemble(
        project=plan.project,
        spec=world.repository.project.document.spec,
        fleets=world.fleets,
        steps=world.steps,
        records=outcome.records,
        missed=missed,
        previous=world.manifest,
        previous_digest=world.release.digest if world.release else None,
        stamp=Stamp(
            created=time_text(datetime.now(UTC)),
            commit=commit_of(world.root),
            plan=plan.digest,
            lock=world.lock.digest,
            specs=world.repository.digest,
        ),
    )


def _comparable(manifest: Manifest, field: str) -> object:
    value = manifest.to_json()[field]
    if field == "fleets":
        return {name: {**entry, "carried": None} for name, entry in value.items()}
    return value


def _stored(world: World, artifact: Artifact) -> Path:
    path = world.store.find(artifact) or fetcher(world)(artifact)
    if path is None:
        raise ToolError(
            f"{artifact.digest}: was built, but the store no longer holds it intact",
            hint="run the same command again",
        )
    return Path(path)


def _moved(saved: Plan, now: Plan) -> str:
    moved = [name for name in ("specs", "lock", "release") if getattr(saved.bound, name) != getattr(now.bound, name)]
    if saved.project != now.project:
        return f"the plan is of project {saved.project}, this is {now.project}"
    what = " and ".join(moved) if moved else "what tinyops makes of them"
    return f"the plan is stale: {what} changed since it was made"


def commit_of(root: Path) -> str | None:
    """The commit that is checked out; None outside Git or when specs differ from it."""
    with suppress(ToolError):
        dirty = run(["git", "-C", root, "status", "--porcelain", "--", "specs"], timeout_s=20).stdout.strip()
        head = run(["git", "-C", root, "rev-parse", "HEAD"], timeout_s=20).stdout.strip()
        return None if dirty else head
    return None
