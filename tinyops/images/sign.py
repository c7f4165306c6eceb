"""Signing an image, and whose signature it has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Protocol, TypeVar

from tinyops.errors import RemoteError
from tinyops.images.build import tlv_area
from tinyops.images.definition import AREA_HEAD, KEY_PREFIX, LENGTHS, TLV_HEAD, TLV_MAGIC, Tlv
from tinyops.images.read import Image, read_image


class Verifier(Protocol):
    """An Ed25519 public key: manifest.keys.PublicKey."""

    @property
    def raw(self) -> bytes: ...

    def verifies(self, signature: bytes, data: bytes) -> bool: ...


class Signer(Protocol):
    """An Ed25519 private key: manifest.keys.SigningKey."""

    @property
    def public(self) -> Verifier: ...

    def sign(self, data: bytes) -> bytes: ...


_Key = TypeVar("_Key", bound=Verifier)


def key_hash(raw: bytes) -> bytes:
    """What an image calls a key by: SHA-256 of its DER SubjectPublicKeyInfo."""
    return hashlib.sha256(KEY_PREFIX + raw).digest()


def sign_image(data: bytes, key: Signer) -> bytes:
    """The image with the key's signature in place of any that it had. Raises RemoteError for what is no image."""
    image = read_image(data, where="the image to sign")
    return _with(
        image,
        data,
        (Tlv.KEY_HASH, key_hash(key.public.raw)),
        (Tlv.ED25519, key.sign(image.digest)),
    )


def signed_bytes(image: Image) -> int:
    """How long the file is once it is signed, whoever signs it."""
    lengths = (LENGTHS[tlv][1] for tlv in (Tlv.SHA256, Tlv.KEY_HASH, Tlv.ED25519))
    return image.covered_bytes + AREA_HEAD.size + sum(TLV_HEAD.size + length for length in lengths)


def unsigned(data: bytes, *, where: str) -> bytes:
    """The image without its signature: what `build_image` made. Raises RemoteError for what is no image."""
    return _with(read_image(data, where=where), data)


def check_signature(image: Image, keys: Iterable[_Key], *, where: str) -> _Key:
    """Which of the keys signed it. Raises RemoteError when none of them did."""
    if image.signature is None:
        raise RemoteError(f"{where}: the image is not signed")
    for key in keys:
        if image.key_hash == key_hash(key.raw):
            if key.verifies(image.signature, image.digest):
                return key
            raise RemoteError(f"{where}: the signature {image.signature[:8].hex()}… is not that of its key")
    raise RemoteError(f"{where}: signed by key {(image.key_hash or b'')[:8].hex()}…, which is not trusted")


def _with(image: Image, data: bytes, *values: tuple[Tlv, bytes]) -> bytes:
    return data[: image.covered_bytes] + tlv_area(TLV_MAGIC, [(Tlv.SHA256, image.digest), *values])
