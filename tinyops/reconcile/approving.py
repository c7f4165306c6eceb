"""Protected fleets: they move when people have signed the very plan that moves them."""

from __future__ import annotations

import os
from pathlib import Path

from tinyops.errors import RemoteError, SpecError
from tinyops.files import MIB, read_bounded, write_atomic
from tinyops.manifest.approval import approve, approved_by, read_approval
from tinyops.manifest.envelope import Envelope
from tinyops.manifest.keys import SigningKey, Trust, load_trust
from tinyops.plan import Action, Plan
from tinyops.plan.gates import Miss
from tinyops.reconcile.reviewing import run_reviewers
from tinyops.reconcile.world import World
from tinyops.release.secrets import load_signing_key

APPROVERS = Path("specs/approvers.pem")
SUFFIX = ".approval"
_GATE = "protected"


def approval_path(plan: Path) -> Path:
    """Where the approval of a plan file lies: beside it."""
    return plan.with_name(plan.name + SUFFIX)


def load_approval(path: Path) -> Envelope | None:
    """None where there is no such file. Raises RemoteError for what is no approval."""
    return read_approval(read_bounded(path, MIB), where=str(path)) if path.exists() else None


def sign_plan(root: Path, plan: Plan, key_name: str, path: Path) -> tuple[Envelope, SigningKey]:
    """Adds a signature to a plan's approval. Raises SpecError where nobody would count it."""
    key = load_signing_key(key_name, root)
    if key.public.key_id not in _approvers(root).keys:
        hint = f"add its public half to {APPROVERS}, reviewed like code"
        raise SpecError(
            f"{APPROVERS}: does not hold key {key.public.key_id[:16]}: its approval would not count", hint=hint
        )
    try:
        before = load_approval(path)
    except RemoteError:
        before = None  # of an older plan, or damaged: it is written anew
    envelope = approve(plan.project, plan.digest, key, before)
    write_atomic(path, envelope.to_bytes())
    return envelope, key


def unapproved(world: World, plan: Plan, approval: Envelope | None, signer: SigningKey) -> dict[str, Miss]:
    """Each protected fleet that the plan moves without enough approvals: signatures over its digest, and on GitHub
    Actions the reviewers who let this very run into its environment. The key that signs releases approves nothing.

    Raises SpecError where a fleet is protected and nobody may approve.
    """
    moving = {c.subject for c in plan.changes if c.kind == "fleet" and c.action not in (Action.KEEP, Action.HELD)}
    guarded = {n: f.spec.protected for n, f in world.fleets.items() if f.spec.protected and n in moving}
    if not guarded:
        return {}
    people = run_reviewers(world.root, os.environ)
    if not people or (world.root / APPROVERS).exists():
        people |= approved_by(approval, plan.project, plan.digest, _approvers(world.root)) - {signer.public.key_id}
    found = len(people)
    text = "{found} of {wanted} approvals of plan {digest}: `tinyops approve PLAN`, then `tinyops apply PLAN`"
    return {
        name: Miss(_GATE, text.format(found=found, wanted=wanted, digest=plan.digest[:19]))
        for name, wanted in guarded.items()
        if found < wanted
    }


def _approvers(root: Path) -> Trust:
    path = root / APPROVERS
    if not path.exists():
        hint = f"put the public keys of those who may approve into {APPROVERS}; `tinyops keys new NAME` makes a key"
        raise SpecError(f"{APPROVERS}: a fleet is protected, and nobody may approve its plans", hint=hint)
    return load_trust(path)
