"""What this machine's own microphone and camera give: samples one after the other, nothing around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinyops.collect.capture.block import Block, Tally
from tinyops.features.values import counts_from_values


class Samples:
    """int16, little-endian, the channels of a frame one after the other."""

    name = "samples"
    counts = True
    clocked = True

    def __init__(self, frame_values: int) -> None:
        self.tally = Tally()
        self._frame_bytes = 2 * frame_values
        self._pending = b""

    def begin(self, take: int | None) -> None:  # noqa: ARG002 samples carry no number
        self.tally = Tally()

    def feed(self, data: bytes, arrived_s: float) -> Sequence[Block]:
        data = self._pending + data
        whole = len(data) - len(data) % self._frame_bytes
        self._pending = data[whole:]
        if not whole:
            return ()
        return (Block(np.frombuffer(data[:whole], "<i2").reshape(-1, self._frame_bytes // 2), arrived_s),)


class Pixels:
    """Images of bytes, 255 being full scale, the channels of a pixel one after the other."""

    name = "pixels"
    counts = True
    clocked = False

    def __init__(self, frame_values: int, full_scale: Sequence[float]) -> None:
        self.tally = Tally()
        self._values = frame_values
        self._full_scale = tuple(full_scale)
        self._pending = bytearray()

    def begin(self, take: int | None) -> None:  # noqa: ARG002 images carry no number
        self.tally = Tally()

    def feed(self, data: bytes, arrived_s: float) -> Sequence[Block]:
        self._pending += data
        whole = len(self._pending) - len(self._pending) % self._values
        if not whole:
            return ()
        pixels = np.frombuffer(bytes(self._pending[:whole]), np.uint8).reshape(-1, len(self._full_scale))
        del self._pending[:whole]
        counts = counts_from_values(pixels * (np.array(self._full_scale) / 255.0), self._full_scale)
        return (Block(counts.reshape(-1, self._values), arrived_s),)
