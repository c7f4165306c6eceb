"""What a dialect is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tinyops.collect.capture.block import Block, Tally


class Dialect(Protocol):
    """Makes blocks of frames out of chunks of bytes; pure, it neither reads nor writes.

    `counts` says whether values are int16 counts of the signal's full scale, else float32 in its units. `clocked`:
    every frame that the device made is counted, lost or not, so that a take's length is known in frames.
    """

    name: str
    counts: bool
    clocked: bool
    tally: Tally

    def begin(self, take: int | None) -> None:
        """A take begins: what comes from now on belongs to it. None: whatever number the device gives it."""

    def feed(self, data: bytes, arrived_s: float) -> Sequence[Block]:
        """The frames that these bytes complete."""
