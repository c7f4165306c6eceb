"""Deltas between images. This module is the one definition; C has its numbers from here.

    magic, bytes of the base, bytes of the result (u32 each, little-endian), SHA-256 of the base; then bits

The base is an image up to the end of its protected TLVs: what its SHA-256, by which SMP names it, binds, and not its
signature, which may be another one. The bits are those of a range coder: 4 bytes of code, and before a bit as many as
bring a range below 2^24 above that again. They are rounds of

    a count of differences; those, each added to the next byte of the base; a count of literals; those; and, unless the
    result is whole, how far to go in the base: twice the bytes, and one if that is back

A count is how many binary digits it has (a tree of 5 bits), then those but for the first, each as likely 0 as 1. Before
a difference stands a flag, 0 for none, with odds of its own for each history of the last four flags of the run. What is
not 0, and literals, are a tree of 8 bits, whose odds both share. Odds are how likely 0 is, in 4,096ths, even at first;
each bit moves them towards itself by 1/2^RATE of what is left.
"""

from __future__ import annotations

import struct

MAGIC = b"TOD1"
FORMAT = 1  # what a device says that it takes; 0 is none
HEADER = struct.Struct("<4sII32s")

ODDS_BITS = 12
RATE = 5
RATE_FLAGS = 4
LENGTHS = 32  # leaves of the tree of a count's digits
HISTORIES = 16
VALUES = 256

TOP = 1 << 24  # of the range
CODE_BYTES = 4
WORTH_IT = 0.8  # of the whole image: a delta that is larger saves too little to be another file


def c_header() -> str:
    """The text of runtime/include/tinyops/delta_format.h."""
    numbers = {
        "MAGIC": f"0x{int.from_bytes(MAGIC, 'little'):08x}u",
        "FORMAT": f"{FORMAT}u",
        "HEADER_BYTES": f"{HEADER.size}u",
        "AT_BASE_BYTES": "4u",
        "AT_RESULT_BYTES": "8u",
        "AT_BASE_DIGEST": "12u",
        "ODDS_BITS": f"{ODDS_BITS}u",
        "RATE": f"{RATE}u",
        "RATE_FLAGS": f"{RATE_FLAGS}u",
        "LENGTHS": f"{LENGTHS}u",
        "HISTORIES": f"{HISTORIES}u",
        "VALUES": f"{VALUES}u",
    }
    lines = [
        "/* Deltas between images. Written by tinyops/images/delta, which is their definition; never edited",
        " * by hand. */",
        "#ifndef TINYOPS_DELTA_FORMAT_H",
        "#define TINYOPS_DELTA_FORMAT_H",
        "",
        *(f"#define TINYOPS_DELTA_{name} {value}" for name, value in numbers.items()),
    ]
    return "\n".join([*lines, "", "#endif", ""])
