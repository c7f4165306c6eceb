"""Undoing a delta, as devices do in C (runtime/delta): to prove one before it is published."""

from __future__ import annotations

from tinyops.errors import RemoteError
from tinyops.images.delta import definition as d
from tinyops.images.read import read_image

ONE = 1 << d.ODDS_BITS


class MalformedDelta(RemoteError):
    """No delta, one of another image, or one that breaks a rule of its format."""


def apply_delta(base_image: bytes, delta: bytes) -> bytes:
    """The image that a delta makes. Raises MalformedDelta, RemoteError for a base that is no image."""
    base = read_image(base_image, where="the base of a delta")
    if len(delta) < d.HEADER.size or not delta.startswith(d.MAGIC):
        raise MalformedDelta("the file is no delta")
    _, base_bytes, result_bytes, digest = d.HEADER.unpack_from(delta)
    if digest != base.digest:
        raise MalformedDelta(f"the delta is from image {digest.hex()[:12]}, not from {base.digest.hex()[:12]}")
    if base_bytes > len(base_image):
        raise MalformedDelta(f"the delta takes {base_bytes:,} bytes of a base of {len(base_image):,}")
    return _Decoder(base_image[:base_bytes], delta[d.HEADER.size :], result_bytes).run()


class _Decoder:
    def __init__(self, base: bytes, data: bytes, result_bytes: int) -> None:
        self._base, self._data, self._wanted = base, data, result_bytes
        self._at, self._range = d.CODE_BYTES, 0xFFFFFFFF
        self._code = int.from_bytes(data[: d.CODE_BYTES], "big")
        self._lengths = [ONE >> 1] * d.LENGTHS
        self._flags = [ONE >> 1] * d.HISTORIES
        self._values = [ONE >> 1] * d.VALUES
        self._made = bytearray()

    def run(self) -> bytes:
        place = 0
        while True:
            differences = self._count(min(len(self._base) - place, self._wanted - len(self._made)))
            self._differences(place, differences)
            literals = self._count(self._wanted - len(self._made))
            self._made += bytes(self._tree(self._values, d.VALUES) for _ in range(literals))
            if differences + literals == 0:
                raise MalformedDelta("the delta has a round that makes nothing")
            place += differences
            if len(self._made) == self._wanted:
                break
            number = self._count(2 * len(self._base) + 1)
            place += -(number >> 1) if number & 1 else number >> 1
            if not 0 <= place <= len(self._base):
                raise MalformedDelta(f"the delta goes to {place:,} of a base of {len(self._base):,} bytes")
        self._normalise()
        if self._at != len(self._data):
            raise MalformedDelta(f"the delta has {len(self._data) - self._at:,} bytes behind its end")
        return bytes(self._made)

    def _differences(self, place: int, count: int) -> None:
        history = 0
        for at in range(place, place + count):
            value = 0
            if self._bit(self._flags, history, d.RATE_FLAGS):
                value = self._tree(self._values, d.VALUES)
            history = (history << 1 | (value != 0)) & (d.HISTORIES - 1)
            self._made.append((self._base[at] + value) & 0xFF)

    def _count(self, most: int) -> int:
        digits = self._tree(self._lengths, d.LENGTHS)
        number = int(digits != 0)
        for _ in range(digits - 1):
            self._normalise()
            self._range >>= 1
            bit = self._code >= self._range
            self._code -= self._range if bit else 0
            number = number << 1 | bit
        if number > most:
            raise MalformedDelta(f"the delta counts {number:,} bytes where {most:,} can be")
        return number

    def _tree(self, odds: list[int], leaves: int) -> int:
        node = 1
        while node < leaves:
            node = node << 1 | self._bit(odds, node, d.RATE)
        return node - leaves

    def _bit(self, odds: list[int], at: int, rate: int) -> int:
        self._normalise()
        likely = odds[at]
        bound = (self._range >> d.ODDS_BITS) * likely
        if self._code < bound:
            self._range = bound
            odds[at] = likely + ((ONE - likely) >> rate)
            return 0
        self._range -= bound
        self._code -= bound
        odds[at] = likely - (likely >> rate)
        return 1

    def _normalise(self) -> None:
        while self._range < d.TOP:
            if self._at >= len(self._data):
                raise MalformedDelta("the delta ends before its image does")
            self._range = self._range << 8 & 0xFFFFFFFF
            self._code = (self._code << 8 | self._data[self._at]) & 0xFFFFFFFF
            self._at += 1
