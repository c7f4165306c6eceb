"""The roots that a device's servers may be certified by: certificates in a PEM file, DER in its settings."""

from __future__ import annotations

from pathlib import Path

from tinyops.device.provision.format import LENGTHS, Tag
from tinyops.errors import UsageError
from tinyops.files import read_bounded

FILE_LIMIT_BYTES = 64 * 1024
ROOTS_MAX = 8  # that a device reads; see runtime/port/lwip/trust.c


def read_roots(path: Path) -> tuple[bytes, ...]:
    """The certificates of a PEM file, in its order. Raises UsageError for one that can vouch for nobody, and for more
    than a device keeps."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        found = x509.load_pem_x509_certificates(read_bounded(path, FILE_LIMIT_BYTES))
    except ValueError as error:
        raise UsageError(f"{path}: no certificates in PEM: {error}") from None
    for number, one in enumerate(found, start=1):
        if not _is_authority(one):
            hint = "a root is the certificate that signed the server's, or signed who signed it"
            raise UsageError(
                f"{path}: certificate {number} ({one.subject.rfc4514_string()}) is no authority's", hint=hint
            )
    roots = tuple(one.public_bytes(Encoding.DER) for one in found)
    most = LENGTHS[Tag.ROOTS][1]
    if len(roots) > ROOTS_MAX or sum(map(len, roots)) > most:
        size = f"{len(roots)} roots of {sum(map(len, roots)):,} bytes"
        raise UsageError(
            f"{path}: {size}, a device keeps {ROOTS_MAX} of {most:,}", hint="keep those that vouch for your hosts"
        )
    return roots


def _is_authority(certificate: object) -> bool:
    from cryptography import x509

    assert isinstance(certificate, x509.Certificate)
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, ValueError):
        return False
