"""Envelopes, keys and thresholds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyops.errors import RemoteError, SpecError
from tinyops.files import JsonObject
from tinyops.manifest.envelope import (
    Envelope,
    Signature,
    add_signature,
    open_envelope,
    parse_envelope,
    seal,
    signers,
    verify,
)
from tinyops.manifest.keys import PublicKey, SigningKey, Trust, load_trust, parse_public_keys

A, B, C = (SigningKey.generate() for _ in range(3))
DOCUMENT: JsonObject = {"b": [1, 2.5, None], "a": "ü"}


def trust(*keys: SigningKey, threshold: int = 1) -> Trust:
    return Trust.of([key.public for key in keys], threshold)


def reread(envelope: Envelope) -> Envelope:
    return parse_envelope(envelope.to_bytes(), limit_bytes=10_000, where="x")


def test_signatures_survive_the_file() -> None:
    assert verify(reread(seal(DOCUMENT, [A])), trust(A), where="x") == DOCUMENT


def test_key_id_is_the_digest_of_the_public_key() -> None:
    import hashlib

    assert A.public.key_id == hashlib.sha256(A.public.raw).hexdigest()


def test_any_change_of_the_signed_part_is_noticed() -> None:
    text = seal(DOCUMENT, [A]).to_bytes()
    for before, after in ((b"2.5", b"2.4"), (b"[1,", b"[2,"), (b"null", b"true")):
        altered = parse_envelope(text.replace(before, after), limit_bytes=10_000, where="x")
        with pytest.raises(RemoteError, match="0 of 1 trusted signatures"):
            verify(altered, trust(A), where="x")


def test_white_space_and_order_do_not_matter() -> None:
    import json

    loose = json.dumps(json.loads(seal(DOCUMENT, [A]).to_bytes()), indent=3).encode()
    assert verify(parse_envelope(loose, limit_bytes=10_000, where="x"), trust(A), where="x") == DOCUMENT


def opened(data: bytes) -> Envelope:
    return open_envelope(data, trust(A), limit_bytes=10_000, where="x")


def test_what_is_opened_is_what_was_signed_in_any_layout() -> None:
    import json

    written = seal(DOCUMENT, [A])
    loose = json.loads(written.to_bytes())
    turned = {"signatures": loose["signatures"], "signed": dict(reversed(loose["signed"].items()))}
    compact = json.dumps(turned, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    for data in (written.to_bytes(), json.dumps(loose, indent=3).encode(), compact):
        assert opened(data) == written


def test_what_is_opened_was_signed_and_holds_no_key_twice() -> None:
    text = seal(DOCUMENT, [A]).to_bytes()
    for altered in (text.replace(b"2.5", b"2.4"), seal(DOCUMENT, [B]).to_bytes()):
        with pytest.raises(RemoteError, match="0 of 1 trusted signatures"):
            opened(altered)
    for payload in (b'{"a":1,"a":2}', b'{"a":[{"b":1,"b":1}]}', b'{"a":1,"\\u0061":2}'):
        signatures = f'[{{"keyid":"{A.public.key_id}","sig":"{A.sign(payload).hex()}"}}]'.encode()
        with pytest.raises(RemoteError, match="is there twice"):
            opened(b'{"signatures":' + signatures + b',"signed":' + payload + b"}\n")
    with pytest.raises(RemoteError, match="larger than 10,000 bytes"):
        opened(text + b" " * 10_000)


def test_unknown_keys_are_ignored() -> None:
    assert signers(seal(DOCUMENT, [A, B]), trust(B, C)) == {B.public.key_id}
    with pytest.raises(RemoteError, match="0 of 1"):
        verify(seal(DOCUMENT, [A]), trust(B), where="x")


def test_a_threshold_wants_distinct_keys() -> None:
    both = trust(A, B, threshold=2)
    once = seal(DOCUMENT, [A])
    twice = Envelope(once.signed, once.payload, once.signatures * 2)
    with pytest.raises(RemoteError, match="1 of 2 trusted signatures"):
        verify(reread(twice), both, where="x")
    assert verify(add_signature(once, B), both, where="x") == DOCUMENT


def test_a_signature_under_another_keys_id_does_not_count() -> None:
    signed = seal(DOCUMENT, [A])
    relabelled = Envelope(signed.signed, signed.payload, (Signature(B.public.key_id, signed.signatures[0].sig),))
    assert signers(relabelled, trust(A, B)) == frozenset()


def test_a_wrong_signature_beside_a_right_one_does_no_harm() -> None:
    signed = seal(DOCUMENT, [A])
    noisy = Envelope(signed.signed, signed.payload, (*signed.signatures, Signature(B.public.key_id, bytes(64))))
    assert verify(noisy, trust(A, B), where="x") == DOCUMENT


def test_signing_again_replaces() -> None:
    assert add_signature(seal(DOCUMENT, [A]), A) == seal(DOCUMENT, [A])


def test_thresholds_that_cannot_be_met_are_refused() -> None:
    for threshold in (0, 2):
        with pytest.raises(SpecError, match="cannot be met"):
            trust(A, threshold=threshold)
    with pytest.raises(SpecError, match="cannot be met"):
        trust(A, A, threshold=2)


def test_a_key_file_may_hold_several_keys_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "trusted.pem"
    path.write_bytes(b"# ci\n" + A.public.to_pem() + b"\n# spare, in the safe\n" + B.public.to_pem())
    assert set(load_trust(path, 2).keys) == {A.public.key_id, B.public.key_id}


def test_wrong_key_files_are_named_and_never_quoted(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    other = ec.generate_private_key(ec.SECP256R1())
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    broken = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
    for data, sentence in (
        (A.to_pem(), "holds a private key"),
        (public, "not an Ed25519 one"),
        (broken, "not a public key in PEM"),
        (b"hello", "no public key in PEM"),
    ):
        with pytest.raises(SpecError, match=sentence):
            parse_public_keys(data, where="trusted.pem")
    for data, sentence in ((private, "not an Ed25519 one"), (b"s3cret", "not an unencrypted private key")):
        with pytest.raises(SpecError, match=sentence) as caught:
            SigningKey.from_pem(data, where="secret K")
        assert "s3cret" not in str(caught.value)


def test_a_private_key_does_not_show_itself() -> None:
    assert "object" not in repr(A)
    assert repr(A) == "SigningKey()"


def test_odd_public_keys_verify_nothing() -> None:
    assert not PublicKey(b"short").verifies(bytes(64), b"data")
    assert not PublicKey(b"\xff" * 32).verifies(bytes(64), b"data")
