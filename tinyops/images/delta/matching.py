"""What of an image is in another one, and where: bsdiff's search, or simply the same places."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

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
    return min((that_make(_searched(base, result), result), _in_place(base, result)), key=_bits)


def that_make(found: Iterable[Round], result: bytes) -> list[Round]:
    """The same without rounds that make nothing, which a device refuses.

    They only go elsewhere in the base: the round before goes there at once. Before the first, a byte comes as it is.
    """
    kept: list[Round] = []
    ahead = 0
    for one in found:
        makes = bool(one.differences or one.literals)
        if kept:
            kept += [one] if makes else []
            kept[-1] = kept[-1] if makes else replace(kept[-1], seek=kept[-1].seek + one.seek)
        elif not makes:
            ahead += one.seek
        elif not ahead:
            kept.append(one)
        elif one.differences:
            rest = Round(one.differences[1:], one.literals, one.seek)
            kept.append(Round(b"", result[:1], ahead + 1))
            kept = [*kept, rest] if rest.differences or rest.literals else [replace(kept[0], seek=ahead + 1 + one.seek)]
        else:
            kept.append(replace(one, seek=ahead + one.seek))
    return kept


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
