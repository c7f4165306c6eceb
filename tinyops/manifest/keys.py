"""Ed25519 keys: their ids, their files, and which of them are trusted."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.errors import SpecError
from tinyops.files import read_bounded, sync_folder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_FILE_LIMIT_BYTES = 64 * 1024
_PUBLIC_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\s*", re.DOTALL)


@dataclass(frozen=True)
class PublicKey:
    """The 32 bytes of an Ed25519 public key."""

    raw: bytes

    @property
    def key_id(self) -> str:
        """SHA-256 of the public key's bytes, 64 hex digits."""
        return hashlib.sha256(self.raw).hexdigest()

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature is this key's over the data. Never raises for bad signatures or keys."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True

    def to_pem(self) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        key = Ed25519PublicKey.from_public_bytes(self.raw)
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True)
class SigningKey:
    """A private key. Its secret part is not shown when it is printed."""

    _key: Ed25519PrivateKey = field(repr=False)

    @staticmethod
    def generate() -> SigningKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return SigningKey(Ed25519PrivateKey.generate())

    @staticmethod
    def from_pem(pem: bytes, *, where: str) -> SigningKey:
        """Reads an unencrypted PKCS#8 PEM. Raises SpecError, which never quotes the content."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise SpecError(f"{where}: not an unencrypted private key in PEM", hint=_NEW_KEY_HINT) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise SpecError(f"{where}: a private key, but not an Ed25519 one", hint=_NEW_KEY_HINT)
        return SigningKey(key)

    @property
    def public(self) -> PublicKey:
        return PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def secret_bytes(self) -> bytes:
        """The 32 bytes of the private key: for the device that it belongs to, and nowhere else."""
        return self._key.private_bytes_raw()

    def to_pem(self) -> bytes:
        """Unencrypted PKCS#8: belongs into a file of mode 0600 or into a secret store."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


_NEW_KEY_HINT = "`tinyops keys new NAME` makes one"


@dataclass(frozen=True)
class Trust:
    """The public keys that may sign, by key id, and how many distinct ones must."""

    keys: Mapping[str, PublicKey]
    threshold: int = 1

    @staticmethod
    def of(keys: Iterable[PublicKey], threshold: int = 1) -> Trust:
        """Raises SpecError when the threshold cannot be reached."""
        by_id = {key.key_id: key for key in keys}
        if not 1 <= threshold <= len(by_id):
            raise SpecError(f"a threshold of {threshold} signatures with {len(by_id)} trusted keys cannot be met")
        return Trust(by_id, threshold)


def parse_public_keys(data: bytes, *, where: str) -> tuple[PublicKey, ...]:
    """Every Ed25519 public key in a PEM text; text between the blocks is comment. Raises SpecError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY" in data:
        raise SpecError(
            f"{where}: holds a private key where public keys belong",
            hint="take it out, and make a new key if others could read the file",
        )
    keys = []
    for number, block in enumerate(_PUBLIC_BLOCK.findall(data), 1):
        try:
            key = load_pem_public_key(block)
        except (ValueError, UnsupportedAlgorithm):
            raise SpecError(f"{where}: block {number} is not a public key in PEM") from None
        if not isinstance(key, Ed25519PublicKey):
            raise SpecError(f"{where}: block {number} is a public key, but not an Ed25519 one")
        keys.append(PublicKey(key.public_bytes_raw()))
    if not keys:
        raise SpecError(f"{where}: no public key in PEM", hint="`tinyops keys new NAME` prints the public half")
    return tuple(keys)


def load_trust(path: Path, threshold: int = 1) -> Trust:
    """The trusted keys of a PEM file. Raises SpecError."""
    return Trust.of(parse_public_keys(read_bounded(path, KEY_FILE_LIMIT_BYTES), where=str(path)), threshold)


def write_private(path: Path, data: bytes) -> None:
    """Writes a new file that only its owner may read, whole or not at all. Raises SpecError if it is there.

    Raises OSError when the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(temporary, path)  # unlike a rename, it never replaces a key
    except FileExistsError:
        raise SpecError(f"{path}: there is a key already", hint="move it away first, or choose another name") from None
    finally:
        os.unlink(temporary)
    sync_folder(path.parent)
