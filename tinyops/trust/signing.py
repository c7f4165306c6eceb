"""Signatures under TUF metadata: made with our keys, counted against a role's threshold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from securesystemslib.signer import Key, SecretsHandler, Signature, Signer
from tuf.api.metadata import Metadata, Root, Targets
from tuf.api.serialization.json import JSONSerializer

from tinyops.manifest.keys import SigningKey
from tinyops.trust.roles import ROOT, SignedT, tuf_key


class KeySigner(Signer):
    """Signs with an Ed25519 key of ours, whose private half nobody else sees."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> Signer:
        raise NotImplementedError("keys come from tinyops/release/secrets.py")

    @property
    def public_key(self) -> Key:
        return tuf_key(self._key.public)

    def sign(self, payload: bytes) -> Signature:
        return Signature(self._key.public.key_id, self._key.sign(payload).hex())


@dataclass(frozen=True)
class Signers:
    """Who of a role's keys signed, and how many must."""

    signed: frozenset[str]
    missing: frozenset[str]
    threshold: int

    @property
    def met(self) -> bool:
        return len(self.signed) >= self.threshold

    def __str__(self) -> str:
        return f"{min(len(self.signed), self.threshold)} of {self.threshold}"


def seal(signed: SignedT, keys: Iterable[SigningKey] = ()) -> Metadata[SignedT]:
    """Metadata signed with every key given, the signatures in the order of the keys' ids."""
    metadata = Metadata(signed)
    for key in keys:
        add_signature(metadata, key)
    return metadata


def add_signature(metadata: Metadata[SignedT], key: SigningKey) -> None:
    """Adds a signature in place; an earlier one of the same key is replaced."""
    metadata.sign(KeySigner(key), append=True)
    metadata.signatures = dict(sorted(metadata.signatures.items()))


def signers(delegator: Root | Targets, role: str, metadata: Metadata[SignedT]) -> Signers:
    """Whose signatures under some metadata are right, by who names the role's keys."""
    result = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    return Signers(frozenset(result.signed), frozenset(result.unsigned), result.threshold)


def root_signers(root: Metadata[Root], before: Root | None) -> tuple[Signers, ...]:
    """Of a root: its own keys and, after the first, those of the root before: both thresholds must be met."""
    own = signers(root.signed, ROOT, root)
    return (own,) if before is None else (signers(before, ROOT, root), own)


def to_bytes(metadata: Metadata[SignedT], *, pretty: bool = False) -> bytes:
    """Short, as devices fetch it; or with a line for each value, as people review it."""
    return metadata.to_bytes(JSONSerializer(compact=not pretty)) + (b"\n" if pretty else b"")
