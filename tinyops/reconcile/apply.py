"""Building what is stale and publishing one release."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tinyops.artifacts import Artifact, Record, Step
from tinyops.build.execute import Executor, Outcome, Watcher
from tinyops.build.fits import with_boards
from tinyops.build.runners import Runner
from tinyops.build.trust import TRUSTED_FILES, find_trust
from tinyops.errors import RemoteError, SpecError, TinyopsError, ToolError, UnsafePlan
from tinyops.files import JsonObject
from tinyops.manifest.document import Manifest
from tinyops.manifest.envelope import Envelope
from tinyops.manifest.fields import time_text
from tinyops.manifest.keys import SigningKey
from tinyops.plan import NO_WISH, Action, Plan, Wish
from tinyops.plan.diff import REPLACED
from tinyops.plan.findings import DataFinding
from tinyops.plan.markdown import release_notes
from tinyops.plan.prices import PlanFile
from tinyops.process import run
from tinyops.reconcile.approving import unapproved
from tinyops.reconcile.assemble import (
    Before,
    Draft,
    SignedImages,
    Stamp,
    assemble,
    fleet_steps,
)
from tinyops.reconcile.calibration_findings import calibration_findings
from tinyops.reconcile.data_findings import built_findings
from tinyops.reconcile.descent import check_descends
from tinyops.reconcile.judging import Judgement, held_fleets, judge, today
from tinyops.reconcile.planning import plan_of
from tinyops.reconcile.pricing import priced
from tinyops.reconcile.rollout.promised import terms
from tinyops.reconcile.rollout.starting import Rollouts
from tinyops.reconcile.safety import check_safe
from tinyops.reconcile.selection import standing, wish_of
from tinyops.reconcile.signing import Signatures
from tinyops.reconcile.storing import open_store, refuse_fleeting_releases, store_folder
from tinyops.reconcile.trusting import Delivery, check_keys, deliver_newest
from tinyops.reconcile.world import World, observe
from tinyops.release.secrets import load_signing_key
from tinyops.release.store import Lease, Unreachable, sign_release
from tinyops.specs.gates import LimitOverride
from tinyops.store import Store


@dataclass(frozen=True)
class Applied:
    """What apply left behind. `published` is False when there was nothing to release.

    `judged` says which fleets did not move and why; `errors` are those of steps, by step. `delivery` says whether
    devices are offered the newest release; None where there is no metadata.
    """

    manifest: Manifest | None
    published: bool
    judged: Judgement
    errors: Mapping[str, TinyopsError]
    delivery: Delivery | None = None
    findings: tuple[DataFinding, ...] = ()
    cuts: Mapping[str, JsonObject] = field(default_factory=dict)


@dataclass(frozen=True)
class Signing:
    """The ids of the keys that will sign a release, the limits that it passes by name, the images that were signed."""

    key_ids: tuple[str, ...] = ()
    overrides: tuple[LimitOverride, ...] = ()
    images: SignedImages = field(default_factory=dict)


UNSIGNED = Signing()


def build(world: World, plan: Plan, store: Store, watcher: Watcher, *, runner: Runner, wish: Wish) -> Outcome:
    """Runs every stale step that the plan does not hold and publishes nothing."""
    held = {change.id for change in plan.changes if change.action is Action.HELD}
    wanted = [step for step in world.steps if step.id not in held]
    return run_steps(world, store, wanted, watcher, runner=runner, replace=wish.replace)


def run_steps(
    world: World,
    store: Store,
    wanted: Sequence[Step],
    watcher: Watcher,
    *,
    runner: Runner,
    replace: Collection[str] = (),
) -> Outcome:
    """Runs what is stale of some steps; errors of what does not fit name the boards that would do."""
    store.sweep()
    before = world.released_records
    outcome = Executor(store, world.recall, fetcher(world, store), watcher, runner, replace, before).run(wanted)
    steps = world.steps_by_id
    errors = {i: with_boards(steps[i], e, outcome.records, world.catalog) for i, e in outcome.errors.items()}
    return Outcome(outcome.records, errors, outcome.skipped)


def preview(world: World, plan: Plan, watcher: Watcher, *, runner: Runner, wish: Wish = NO_WISH) -> Applied:
    """What apply would release; publishes nothing and needs no key.

    A fleet that misses a gate is shown with the figures that miss it, not with those it would keep.
    """
    store = open_store(world.repository, warn=watcher.warning)
    with store.using():
        outcome = build(world, plan, store, watcher, runner=runner, wish=wish)
    judged = judge(world, outcome, today(), wish)
    built = set(outcome.records)
    unbuilt = {n: why for n, why in judged.reasons.items() if not built.issuperset(fleet_steps(world.targets[n]))}
    shown = Judgement({n: judged.missed[n] for n in unbuilt}, judged.overridden)
    draft = _assembled(world, plan, outcome, shown, wish)
    manifest = draft.manifest if draft.manifest.fleets else world.manifest
    cuts = {i: record.facts for i, record in outcome.records.items() if i.startswith("split:")}
    return Applied(manifest, False, judged, outcome.errors, findings=_said(world, outcome), cuts=cuts)


def _said(world: World, outcome: Outcome) -> tuple[DataFinding, ...]:
    """What the datasets that were read anew are warned of, and those of models that were calibrated anew."""
    models = {name: entry.document.spec.dataset for name, entry in world.repository.models.items()}
    datasets = {name: dataset for name, dataset in models.items() if dataset is not None}
    records, released = outcome.records, world.released_records
    return (*built_findings(records, released), *calibration_findings(records, released, datasets))


def fetcher(world: World, store: Store) -> Callable[[Artifact], Path | None]:
    """Brings a released output back into the store; None for what no release holds intact."""

    def fetch(artifact: Artifact) -> Path | None:
        manifest, releases = world.manifest, world.releases
        if manifest is not None and artifact.digest not in manifest.assets and world.past is not None:
            manifest = world.past.holder(artifact.digest)
        if manifest is None or releases is None:
            return None
        try:
            store.add(releases.fetch_output(manifest, artifact.digest))
        except Unreachable:  # perhaps it is there: nothing may be trained anew for that
            raise
        except RemoteError:
            pass
        return store.find(artifact)

    return fetch


def apply(
    root: Path,
    watcher: Watcher,
    *,
    runner: Runner,
    lock_file: Path | None = None,
    saved: Plan | None = None,
    replace: Collection[str] = (),
    only: Collection[str] = (),
    approval: Envelope | None = None,
) -> Applied:
    """Makes the release that the specs ask for. Idempotent; a killed one is carried on by the next.

    `approval` is what people signed of the plan, for protected fleets. Raises Leased when another apply runs,
    UnsafePlan when `saved` was made in another world, ToolError without a signing key. Errors of single steps hold
    their fleets back and are returned.
    """
    if saved is not None:  # it says itself what was asked for
        replace, only = {c.id for c in saved.changes if REPLACED in c.reasons}, saved.only
    world = observe(root, lock_file=lock_file, say=watcher.note)
    refuse_fleeting_releases(world.repository)
    check_keys(world.repository)
    key = signing_key(world)
    if world.releases is None:
        raise ToolError(
            f"{TRUSTED_FILES[1]}: no public key is trusted here, so nobody could verify a release",
            hint="`tinyops keys new NAME` makes a key and trusts it on this machine",
        )
    with world.releases.lease("apply") as lease, store_folder(world.repository).using():
        world = observe(root, lock_file=lock_file, say=watcher.note)  # under the lease nobody else moves the release
        rewritten = check_descends(world, today())
        wish = wish_of(world.repository, replace=replace, only=only)
        plan = plan_of(world, wish)
        overrides = (*check_safe(world, today(), key.public), *rewritten)
        if saved is not None and saved.digest != plan.digest:
            raise UnsafePlan(_moved(saved, plan), hint="plan again and have the new plan reviewed")
        if not plan.pending:
            return _offered(world, lease, Applied(world.manifest, False, held_fleets(world, plan), {}))
        store = open_store(world.repository, publishing=True, warn=watcher.warning)
        outcome = build(world, plan, store, watcher, runner=runner, wish=wish)
        awaiting = unapproved(world, plan, approval, key)
        judged = dataclasses.replace(judge(world, outcome, today(), wish), awaiting=awaiting)
        images = signed_images(world, store, outcome.records, staying(world, judged, wish), key)
        signing = Signing((key.public.key_id,), overrides, images)
        draft = _draft(world, plan, outcome, judged, wish, signing)
        if draft is None:
            kept = Applied(world.manifest, False, judged, outcome.errors, findings=_said(world, outcome))
            return _offered(world, lease, kept)
        files = {name: (_stored(world, store, artifact), artifact.digest) for name, artifact in draft.files.items()}
        assert world.releases is not None
        costs = PlanFile(plan, priced(world, plan, built=draft.manifest, judged=judged))
        notes = release_notes(costs, draft.manifest.commit)
        released = world.releases.publish(sign_release(draft.manifest, [key]), files, lease, notes)
        made = Applied(released.manifest, True, judged, outcome.errors, findings=_said(world, outcome))
        return _offered(world, lease, made)


def _offered(world: World, lease: Lease, applied: Applied) -> Applied:
    """With the newest release offered to devices, also where an earlier apply was killed before it could."""
    assert world.releases is not None
    delivery = deliver_newest(world.repository, world.releases, lease, datetime.now(UTC))
    return dataclasses.replace(applied, delivery=delivery)


def staying(world: World, judged: Judgement, wish: Wish) -> dict[str, tuple[str, ...]]:
    """Why fleets stay as they were released: judged, or not asked to move."""
    return {**judged.reasons, **{name: (why,) for name, why in standing(world.fleets, wish).items()}}


def signed_images(
    world: World, store: Store, records: Mapping[str, Record], staying: Collection[str], key: SigningKey
) -> SignedImages:
    """The images of the fleets that move, signed."""
    trust = find_trust(world.root)
    assert trust is not None  # without one there are no releases
    signatures = Signatures(key, trust, store, lambda artifact: _stored(world, store, artifact))
    moving = {name: targets for name, targets in world.targets.items() if name not in staying}
    return signatures.sign(moving, records, world.manifest)


def signing_key(world: World) -> SigningKey:
    """The key that signs releases. Raises ToolError naming the ways to give it."""
    entry = world.repository.project
    signer = entry.document.spec.signing.image
    if signer.key is None:
        raise SpecError(f"{entry.file}: signing.image has no key", hint="key: {secret: NAME}")
    return load_signing_key(signer.key.secret, world.root)


def _draft(world: World, plan: Plan, outcome: Outcome, judged: Judgement, wish: Wish, signing: Signing) -> Draft | None:
    """The next release, or None when it would only repeat the last one, signed with the same key.

    That a fleet is held by a gate is worth a release; that a step failed here and now is not.
    """
    draft = _assembled(world, plan, outcome, judged, wish, signing)
    before = world.manifest
    if before is None:
        return draft if draft.manifest.fleets else None
    if any(override.limit == "signing_key" for override in signing.overrides):
        return draft
    fields = ("steps", "fleets") if outcome.errors else ("steps", "fleets", "held")
    waiting = judged.awaiting
    return (
        draft
        if any(_comparable(draft.manifest, f, waiting) != _comparable(before, f, waiting) for f in fields)
        else None
    )


def _assembled(
    world: World, plan: Plan, outcome: Outcome, judged: Judgement, wish: Wish, signing: Signing = UNSIGNED
) -> Draft:
    return assemble(
        project=plan.project,
        spec=world.repository.project.document.spec,
        fleets=world.fleets,
        targets=world.targets,
        steps=world.steps,
        records=outcome.records,
        missed=staying(world, judged, wish),
        overridden=judged.overridden,
        before=Before(
            world.manifest,
            world.release.digest if world.release else None,
            plan.moves,
            world.past.assets() if world.past else {},
        ),
        stamp=Stamp(
            created=time_text(datetime.now(UTC)),
            commit=commit_of(world.root),
            plan=plan.digest,
            lock=world.lock.digest,
            specs=world.repository.digest,
            signed_by=signing.key_ids,
            overrides=signing.overrides,
        ),
        images=signing.images,
        rollouts=Rollouts(terms(world), world.progress),
        skipped=outcome.skipped,
    )


def _comparable(manifest: Manifest, field: str, waiting: Collection[str]) -> object:
    value = manifest.to_json()[field]
    if field == "held":
        return [held for held in value if held["fleet"] not in waiting]
    if field == "fleets":
        return {name: {**entry, "carried": None} for name, entry in value.items()}
    return value


def _stored(world: World, store: Store, artifact: Artifact) -> Path:
    path = store.find(artifact) or fetcher(world, store)(artifact)
    if path is None:
        raise ToolError(
            f"{artifact.digest}: was built, but the store no longer holds it intact",
            hint="run the same command again",
        )
    return Path(path)


def _moved(saved: Plan, now: Plan) -> str:
    moved = [
        name for name in ("specs", "lock", "files", "release") if getattr(saved.bound, name) != getattr(now.bound, name)
    ]
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
