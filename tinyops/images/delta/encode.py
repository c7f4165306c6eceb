"""Making a delta. Equal images give equal bytes."""

from __future__ import annotations

from collections.abc import Sequence

from tinyops.errors import ToolError
from tinyops.images.delta import definition as d
from tinyops.images.delta.decode import apply_delta
from tinyops.images.delta.matching import Round, rounds
from tinyops.images.read import read_image

ONE = 1 << d.ODDS_BITS
FLUSHED = 5  # bytes that the coder still holds at its end


def make_delta(base_image: bytes, image: bytes, *, where: str) -> bytes:
    """What makes `image`, byte for byte, of the one that a device runs; undone once here, as a device would.

    Raises RemoteError for what is no image, ToolError without the library that compares them.
    """
    base = read_image(base_image, where=where)
    header = d.HEADER.pack(d.MAGIC, base.covered_bytes, len(image), base.digest)
    delta = header + encode(rounds(base_image[: base.covered_bytes], image))
    if apply_delta(base_image, delta) != image:
        raise ToolError(f"{where}: its delta makes another image", hint="please report it: this is a defect of tinyops")
    return delta


def encode(found: Sequence[Round]) -> bytes:
    coder = _Coder()
    for number, one in enumerate(found):
        coder.count(len(one.differences))
        coder.differences(one.differences)
        coder.count(len(one.literals))
        for byte in one.literals:
            coder.value(byte)
        if number + 1 < len(found):
            coder.count(abs(one.seek) << 1 | (one.seek < 0))
    return coder.finished()


class _Coder:
    """A range coder with carries (Martin; as LZMA has it)."""

    def __init__(self) -> None:
        self._low, self._range = 0, 0xFFFFFFFF
        self._held, self._waiting = 0, 1  # a byte that a carry may change, and it with those of 255 behind it
        self._out = bytearray()
        self._lengths = [ONE >> 1] * d.LENGTHS
        self._flags = [ONE >> 1] * d.HISTORIES
        self._values = [ONE >> 1] * d.VALUES

    def count(self, number: int) -> None:
        digits = number.bit_length()
        self._tree(self._lengths, digits, 5)
        for at in reversed(range(digits - 1)):
            self._range >>= 1
            self._low += self._range if number >> at & 1 else 0
            self._normalise()

    def differences(self, values: bytes) -> None:
        history = 0
        for value in values:
            self._bit(self._flags, history, value != 0, d.RATE_FLAGS)
            if value:
                self.value(value)
            history = (history << 1 | (value != 0)) & (d.HISTORIES - 1)

    def value(self, value: int) -> None:
        self._tree(self._values, value, 8)

    def finished(self) -> bytes:
        for _ in range(FLUSHED):
            self._shift()
        return bytes(self._out[1:])  # the first one is always 0

    def _tree(self, odds: list[int], value: int, bits: int) -> None:
        node = 1
        for at in reversed(range(bits)):
            bit = value >> at & 1
            self._bit(odds, node, bit, d.RATE)
            node = node << 1 | bit

    def _bit(self, odds: list[int], at: int, bit: int, rate: int) -> None:
        likely = odds[at]
        bound = (self._range >> d.ODDS_BITS) * likely
        if bit:
            self._low += bound
            self._range -= bound
            odds[at] = likely - (likely >> rate)
        else:
            self._range = bound
            odds[at] = likely + ((ONE - likely) >> rate)
        if self._range < d.TOP:
            self._normalise()

    def _normalise(self) -> None:
        while self._range < d.TOP:
            self._range = self._range << 8 & 0xFFFFFFFF
            self._shift()

    def _shift(self) -> None:
        if self._low < 0xFF000000 or self._low > 0xFFFFFFFF:
            carry = self._low >> 32
            self._out.append((self._held + carry) & 0xFF)
            self._out += bytes([(0xFF + carry) & 0xFF]) * (self._waiting - 1)
            self._waiting, self._held = 0, self._low >> 24 & 0xFF
        self._waiting += 1
        self._low = self._low << 8 & 0xFFFFFFFF
