"""An approval: people's signatures over the digest of one plan, in a file beside it."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from tinyops.manifest.envelope import Envelope, add_signature, parse_envelope, seal, signers
from tinyops.manifest.fields import Digest, Name, Strict, read_model
from tinyops.manifest.keys import SigningKey, Trust

APPROVAL_SCHEMA: Final = "tinyops/approval/v1"
APPROVAL_LIMIT_BYTES = 64 * 1024


class Approval(Strict):
    """`plan` is the digest of the plan that was read and found good."""

    schema_: Literal["tinyops/approval/v1"] = Field(default=APPROVAL_SCHEMA, alias="schema")
    project: Name
    plan: Digest


def approve(project: str, plan: str, key: SigningKey, before: Envelope | None = None) -> Envelope:
    """An approval with one more signature; an earlier one of another plan is not carried on."""
    approval = Approval(project=project, plan=plan).to_json()
    if before is not None and before.signed == approval:
        return add_signature(before, key)
    return seal(approval, [key])


def read_approval(data: bytes, *, where: str) -> Envelope:
    """An approval, not yet verified. Raises RemoteError for what is none."""
    envelope = parse_envelope(data, limit_bytes=APPROVAL_LIMIT_BYTES, where=where)
    read_model(Approval, APPROVAL_SCHEMA, envelope.signed, where=where, text=envelope.payload)
    return envelope


def approved_by(envelope: Envelope | None, project: str, plan: str, trust: Trust) -> frozenset[str]:
    """The ids of the trusted keys that signed an approval of this very plan."""
    if envelope is None or envelope.signed != Approval(project=project, plan=plan).to_json():
        return frozenset()
    return signers(envelope, trust)
