"""Images: what lies in a slot of a microcontroller, in MCUboot's format. `definition.py` says what that is."""

from tinyops.images.build import body_max, build_image
from tinyops.images.definition import Golden, Kind
from tinyops.images.golden import SEEDS, fill, find_self_test, golden_input
from tinyops.images.header import c_header
from tinyops.images.read import Image, read_image
from tinyops.images.sign import Signer, Verifier, check_signature, key_hash, sign_image, signed_bytes, unsigned

__all__ = [
    "SEEDS",
    "Golden",
    "Image",
    "Kind",
    "Signer",
    "Verifier",
    "body_max",
    "build_image",
    "c_header",
    "check_signature",
    "fill",
    "find_self_test",
    "golden_input",
    "key_hash",
    "read_image",
    "sign_image",
    "signed_bytes",
    "unsigned",
]
