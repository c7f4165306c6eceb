"""The input of an image's self-test, made from a seed: runtime/include/tinyops/golden.h in Python."""

from __future__ import annotations

import zlib

from tinyops.images.definition import Golden

# A squeeze takes the one whose output tells most: noise drives many classifiers to 100 % of one class.
SEEDS = range(1, 9)


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


def find_self_test(given: bytes, output: bytes) -> Golden | None:
    """The self-test that a model's input and its right output are; None where the input is not from one of SEEDS."""
    for seed in SEEDS:
        if golden_input(seed, len(given)) == given:
            return Golden(seed, zlib.crc32(output))
    return None
