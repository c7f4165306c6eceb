"""What of an image is in another one, and where: bsdiff's search, or simply the same places."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tinyops.errors import ToolError


@dataclass(frozen=True)
class Round:
    """Differences from the base's next bytes, then literals, then how far to go in the base."""

    differences: bytes
    literals: bytes
    seek: int


def rounds(base: bytes, result: bytes) -> Sequence[Round]:
    """The cheaper of two ways. Weights that were trained anew differ everywhere, mostly by little, and lie where they
    lay: a search for equal bytes finds none of that.

    Raises ToolError when the library that searches is not there.
    """
    return min((list(_searched(base, result)), _in_place(base, result)), key=_bits)


def _in_place(base: bytes, result: bytes) -> list[Round]:
    shared = min(len(base), len(result))
    differences = bytes((new - old) & 0xFF for new, old in zip(result, base, strict=False))
    return [Round(differences, result[shared:], 0)]


def _bits(found: Sequence[Round]) -> float:
    """About what they cost, by how often each byte stands in them."""
    differences: Counter[int] = Counter()
    literals: Counter[int] = Counter()
    for one in found:
        differences.update(one.differences)
        literals.update(one.literals)
    return _entropy(differences) + _entropy(literals) + 32 * len(found)


def _entropy(counts: Counter[int]) -> float:
    total = counts.total()
    return sum(count * math.log2(total / count) for count in counts.values())


def _searched(base: bytes, result: bytes) -> Iterator[Round]:
    try:
        import detools
    except ImportError:
        raise ToolError("detools is not installed, which makes deltas", hint="pip install 'tinyops[build]'") from None
    made = io.BytesIO()
    detools.create_patch(io.BytesIO(base), io.BytesIO(result), made, compression="none", use_mmap=False)
    made.seek(1)  # its type: sequential, not compressed
    if _number(made) != len(result) or _number(made) != 0:
        raise ToolError("detools answers in another format", hint="install the version that pyproject.toml names")
    done = 0
    while done < len(result):
        differences = made.read(_number(made))
        literals = made.read(_number(made))
        done += len(differences) + len(literals)
        yield Round(differences, literals, _number(made) if done < len(result) else 0)


def _number(stream: io.BytesIO) -> int:
    """A whole number as detools packs it: six bits and the sign, then seven at a time."""
    byte = stream.read(1)[0]
    negative, value, shift = byte & 0x40, byte & 0x3F, 6
    while byte & 0x80:
        byte = stream.read(1)[0]
        value |= (byte & 0x7F) << shift
        shift += 7
    return -value if negative else value
