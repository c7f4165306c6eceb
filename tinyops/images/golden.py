"""The input of an image's self-test, made from a seed: runtime/include/tinyops/golden.h in Python."""

from __future__ import annotations

import zlib


def fill(state: int, count: int) -> tuple[bytes, int]:
    """The next `count` bytes, and the state that the bytes after them begin with; the first call takes the seed."""
    made = bytearray(count)
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        made[i] = state >> 24
    return bytes(made), state


def golden_input(seed: int, count: int) -> bytes:
    """The whole input of `count` bytes. Written row by row in order it is the same."""
    return fill(seed, count)[0]


def seed_of(content: bytes) -> int:
    """A seed that changes with what is tested, so that no two models are tested by the same input."""
    return zlib.crc32(content)
