"""The header of a model image, `tinyops_model_header` in runtime/include/tinyops/model.h."""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields

from tinyops.link.protocol import rows_of_input

MAGIC = 0x314D4F54
_LAYOUT = struct.Struct("<IHH13I32s")
HEADER_BYTES = _LAYOUT.size
ENTRIES = ("init", "push", "prepare", "invoke")
# What a compiled model offers to a program that it is linked into.
SYMBOLS = ("tinyops_model", *(f"tinyops_model_{name}" for name in ENTRIES))
PART_WORDS = "tinyops_model_part_words"  # of a part of a model, beside them


@dataclass(frozen=True)
class ModelHeader:
    """Sizes and offsets in bytes; entry points are offsets from the header, bit 0 set for Thumb code."""

    magic: int
    abi: int
    header_bytes: int
    image_bytes: int
    arena_bytes: int
    input_offset: int
    input_bytes: int
    output_offset: int
    output_bytes: int
    frame_values: int
    window_frames: int
    hop_frames: int
    init: int
    push: int
    prepare: int
    invoke: int
    contract: bytes

    @property
    def input_rows(self) -> int:
        """How many pieces of input_bytes make an input; see `rows_of_input`."""
        return rows_of_input(self.input_bytes, self.frame_values, self.window_frames)

    def pack(self) -> bytes:
        return _LAYOUT.pack(*(getattr(self, f.name) for f in fields(self)))

    @staticmethod
    def unpack(data: bytes) -> ModelHeader:
        """The fields as they stand there. Raises ValueError when this is no header of this ABI."""
        if len(data) < HEADER_BYTES:
            raise ValueError(f"{len(data)} bytes are too short for a model image")
        header = ModelHeader(*_LAYOUT.unpack_from(data))
        if header.magic != MAGIC or header.header_bytes < HEADER_BYTES or header.header_bytes % 4:
            raise ValueError("not a model image")
        return header

    @staticmethod
    def parse(data: bytes) -> ModelHeader:
        """The header of an image. Raises ValueError when there is none of this ABI, or the image is cut short."""
        header = ModelHeader.unpack(data)
        if header.image_bytes % 4 or not header.header_bytes <= header.image_bytes <= len(data):
            raise ValueError(f"image of {header.image_bytes} bytes in {len(data)}")
        return header
