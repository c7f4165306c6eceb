"""Signed envelopes, shaped as in TUF: `{"signed": {…}, "signatures": [{"keyid", "sig"}]}`.

A signature is Ed25519 over the canonical JSON of the signed part. Nothing inside is looked at before
a threshold of distinct trusted keys has signed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic_core import from_json, to_json

from tinyops.errors import RemoteError
from tinyops.files import JsonObject, canonical_json, digest_bytes
from tinyops.manifest.fields import read_json
from tinyops.manifest.keys import SigningKey, Trust

SIGNATURES_MAX = 64
_KEY_ID_CHARACTERS = 64
_SIGNATURE_CHARACTERS = 128
_AS_WRITTEN = re.compile(rb'\{"signatures":(\[[^\]]{0,20000}\]),"signed":(\{.*\})\}\n', re.DOTALL)


@dataclass(frozen=True)
class Signature:
    """`sig` is the 64 bytes of an Ed25519 signature."""

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Envelope:
    """A document and its signatures, not yet verified. `payload` is what the signatures cover."""

    signed: JsonObject
    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def digest(self) -> str:
        """Digest of the signed part: the same whoever signed it."""
        return digest_bytes(self.payload)

    def to_bytes(self) -> bytes:
        signatures = [{"keyid": s.keyid, "sig": s.sig.hex()} for s in self.signatures]
        return canonical_json({"signed": self.signed, "signatures": signatures}) + b"\n"


def seal(signed: JsonObject, keys: Iterable[SigningKey]) -> Envelope:
    """Signs a document with every key given."""
    envelope = Envelope(signed, canonical_json(signed), ())
    for key in keys:
        envelope = add_signature(envelope, key)
    return envelope


def add_signature(envelope: Envelope, key: SigningKey) -> Envelope:
    """The same document with one more signature; an earlier one of the same key is replaced."""
    key_id = key.public.key_id
    others = [s for s in envelope.signatures if s.keyid != key_id]
    signature = Signature(key_id, key.sign(envelope.payload))
    return Envelope(envelope.signed, envelope.payload, tuple(sorted([*others, signature], key=lambda s: s.keyid)))


def parse_envelope(data: bytes, *, limit_bytes: int, where: str) -> Envelope:
    """Reads an envelope without trusting it. Raises RemoteError."""
    value = read_json(data, limit_bytes=limit_bytes, where=where)
    if not isinstance(value, dict) or set(value) != {"signed", "signatures"} or not isinstance(value["signed"], dict):
        raise RemoteError(f"{where}: not a signed envelope: wants exactly `signed` and `signatures`")
    try:
        payload = canonical_json(value["signed"])
    except (ValueError, RecursionError) as error:
        raise RemoteError(f"{where}: {error}") from None
    return Envelope(value["signed"], payload, _signatures(value["signatures"], where))


def open_envelope(data: bytes, trust: Trust, *, limit_bytes: int, where: str) -> Envelope:
    """An envelope that enough trusted keys signed. Raises RemoteError.

    One that lies there as `to_bytes` wrote it is verified before its signed part is parsed, and parsed once.
    """
    envelope = _open_as_written(data, trust, where) if len(data) <= limit_bytes else None
    if envelope is None:
        envelope = parse_envelope(data, limit_bytes=limit_bytes, where=where)
        verify(envelope, trust, where=where)
    return envelope


def signed_part(data: bytes) -> bytes | None:
    """The signed part of an envelope that lies there as `to_bytes` wrote it, unparsed and not to be believed; None for
    another layout."""
    found = _AS_WRITTEN.fullmatch(data)
    return found[2] if found else None


def _open_as_written(data: bytes, trust: Trust, where: str) -> Envelope | None:
    """None for what must be read the careful way: another layout, a wrong signature, a key that is there twice."""
    found = _AS_WRITTEN.fullmatch(data)
    if found is None:
        return None
    payload = found[2]
    try:
        signatures = _signatures(read_json(found[1], limit_bytes=len(data), where=where), where)
        if len(signers(Envelope({}, payload, signatures), trust)) < trust.threshold:
            return None
        signed = from_json(payload, allow_inf_nan=False)
        same = isinstance(signed, dict) and to_json(signed) == payload  # a key that was there twice is missing here
    except (RemoteError, ValueError, RecursionError):
        return None
    return Envelope(signed, payload, signatures) if same else None


def signers(envelope: Envelope, trust: Trust) -> frozenset[str]:
    """The ids of the distinct trusted keys whose signature is right; others are ignored."""
    found = set()
    for signature in envelope.signatures:
        key = trust.keys.get(signature.keyid)
        if key is not None and key.verifies(signature.sig, envelope.payload):
            found.add(signature.keyid)
    return frozenset(found)


def verify(envelope: Envelope, trust: Trust, *, where: str) -> JsonObject:
    """The signed part, when enough trusted keys signed it. Raises RemoteError."""
    found = len(signers(envelope, trust))
    if found < trust.threshold:
        named = ", ".join(s.keyid[:8] for s in envelope.signatures) or "nobody"
        raise RemoteError(
            f"{where}: {found} of {trust.threshold} trusted signatures are right (signed by {named})",
            hint="it was altered, or signed with a key that is not in the trusted keys",
        )
    return envelope.signed


def _signatures(value: object, where: str) -> tuple[Signature, ...]:
    if not isinstance(value, list) or len(value) > SIGNATURES_MAX:
        raise RemoteError(f"{where}: signatures: wants a list of at most {SIGNATURES_MAX}")
    return tuple(_signature(item, where) for item in value)


def _signature(item: object, where: str) -> Signature:
    if isinstance(item, dict) and set(item) == {"keyid", "sig"}:
        key_id, text = item["keyid"], item["sig"]
        if _is_hex(key_id, _KEY_ID_CHARACTERS) and _is_hex(text, _SIGNATURE_CHARACTERS):
            return Signature(key_id, bytes.fromhex(text))
    raise RemoteError(f"{where}: signatures: each wants a keyid of 64 and a sig of 128 hex digits")


def _is_hex(value: object, characters: int) -> bool:
    return isinstance(value, str) and len(value) == characters and not set(value) - set("0123456789abcdef")
