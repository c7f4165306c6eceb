"""Which set of parts a model image is of, as its model's header says; see runtime/include/tinyops/model_part.h."""

from __future__ import annotations

import struct

from tinyops.images.definition import Kind
from tinyops.images.read import Image

MODEL_MAGIC = 0x314D4F54  # "TOM1"
PART_MAGIC = 0x31504F54  # "TOP1"
HEADER_BYTES = 92  # of a model that is no part
_START = struct.Struct("<IHH")
_PART = struct.Struct("<IHH16s")


def set_of(image: Image) -> bytes | None:
    """The set that the image is a part of; None of a whole model, and of what is none."""
    body = image.body
    if image.kind is not Kind.MODEL or len(body) < HEADER_BYTES + _PART.size:
        return None
    magic, _, header_bytes = _START.unpack_from(body)
    if magic != MODEL_MAGIC or header_bytes < HEADER_BYTES + _PART.size:
        return None
    found, _, _, members = _PART.unpack_from(body, HEADER_BYTES)
    return members if found == PART_MAGIC else None
