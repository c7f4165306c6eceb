"""The vectors that a twin is fed: tensors with their expected outputs, and streams of frames with theirs."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from tinyops.errors import SpecError
from tinyops.files import MIB, read_bounded
from tinyops.images import Golden as SelfTest
from tinyops.images import find_self_test

GOLDEN_LIMIT_BYTES = 256 * MIB


@dataclass(frozen=True)
class Golden:
    """`vectors` pairs of input and expected output tensor, as bytes of one length each."""

    input_bytes: int
    output_bytes: int
    vectors: tuple[tuple[bytes, bytes], ...]

    @property
    def self_test(self) -> SelfTest | None:
        """What an image is tested with on its device; None where an older squeeze pinned no vector for it."""
        return find_self_test(*self.vectors[0])


@dataclass(frozen=True)
class Stream:
    """Sensor frames in order, and the output tensors of the inferences that they cause, in order."""

    frames: tuple[tuple[int, ...], ...]
    results: tuple[bytes, ...]


def read_golden(path: Path) -> Golden:
    """`golden.bin`, see docs/architecture.md. Raises SpecError for anything else."""
    data = read_bounded(path, GOLDEN_LIMIT_BYTES)
    count, input_bytes, output_bytes = _head(path, data, b"TOG1", 3)
    size = input_bytes + output_bytes
    if not (count and input_bytes and output_bytes) or len(data) != 16 + count * size:
        raise SpecError(f"{path.name}: its length does not match its header", hint="run the squeeze step again")
    starts = range(16, len(data), size)
    vectors = tuple((data[at : at + input_bytes], data[at + input_bytes : at + size]) for at in starts)
    return Golden(input_bytes, output_bytes, vectors)


def read_stream(path: Path) -> Stream:
    """`stream.bin`, little-endian: "TOS1", u32 frames, u32 values in a frame, u32 results, u32 bytes of an output
    tensor, then the frames (int16), then the outputs. Raises SpecError for anything else."""
    data = read_bounded(path, GOLDEN_LIMIT_BYTES)
    count, values, results, output_bytes = _head(path, data, b"TOS1", 4)
    frames_end = 20 + 2 * count * values
    if not (count and values and output_bytes) or len(data) != frames_end + results * output_bytes:
        raise SpecError(f"{path.name}: its length does not match its header")
    frames = tuple(struct.iter_unpack(f"<{values}h", data[20:frames_end]))
    outputs = tuple(data[at : at + output_bytes] for at in range(frames_end, len(data), output_bytes))
    return Stream(frames, outputs)


def _head(path: Path, data: bytes, magic: bytes, numbers: int) -> tuple[int, ...]:
    if len(data) < 4 + 4 * numbers or not data.startswith(magic):
        raise SpecError(f"{path.name}: does not start as a {magic.decode()} file", hint="run the squeeze step again")
    return struct.unpack_from(f"<{numbers}I", data, 4)
