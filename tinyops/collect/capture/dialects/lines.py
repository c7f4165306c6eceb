"""Any device that prints a line of numbers a frame: columns between commas, semicolons, tabs or spaces.

Nothing says what was lost on the way; what can be seen is a line that is no frame, and then it is a gap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tinyops.collect.capture.block import Block, Tally

LINE_MAX = 4096
FLOAT32_MAX = 3.4e38


def numbers_of(line: bytes) -> list[float] | None:
    """The numbers of a line, nan and inf among them; None for a line that is none of numbers."""
    text = line.strip().replace(b";", b",")
    if b"_" in text:  # which Python would read over
        return None
    cells = text.split(b",") if b"," in text else text.split()
    if len(cells) > 1 and not cells[-1].strip():
        cells.pop()  # many print a separator after each value
    try:
        return [float(cell) for cell in cells] or None
    except ValueError:
        return None


class Lines:
    """Lines of one device. `columns` picks those of a line that are the channels, in their order, from 0.

    `scale` is what each value is multiplied by. `begun`: the first bytes are the beginning of a line.
    """

    name = "lines"
    counts = False
    clocked = False

    def __init__(
        self, width: int, columns: Sequence[int], scale: Sequence[float], *, begun: bool = False, ended: bool = False
    ) -> None:
        self.tally = Tally()
        self._width = width
        self._columns = list(columns)
        self._scale = np.array(scale, np.float64)
        self._pending = b""
        self._begun = begun
        self._ended = ended  # every chunk ends a line, as datagrams do
        self._lost = 0
        self._started = False

    def begin(self, take: int | None) -> None:  # noqa: ARG002 lines carry no number
        self.tally = Tally()
        self._lost = 0
        self._started = False

    def feed(self, data: bytes, arrived_s: float) -> Sequence[Block]:
        *lines, rest = (self._pending + data + (b"\n" if self._ended else b"")).replace(b"\r", b"\n").split(b"\n")
        if len(rest) > LINE_MAX:
            self.tally.noise += 1
            rest, self._begun = b"", False
        self._pending = rest
        if lines and not self._begun:
            del lines[0]  # whose beginning was never seen: 2.5 may be the end of 12.5
            self._begun = True
        blocks: list[Block] = []
        run: list[list[float]] = []
        for line in lines:
            if line and not line.isspace():
                self._line(line, run, blocks, arrived_s)
        self._flush(run, blocks, arrived_s)
        return blocks

    def _line(self, line: bytes, run: list[list[float]], blocks: list[Block], arrived_s: float) -> None:
        numbers = numbers_of(line)
        if numbers is None:
            self.tally.noise += 1
        elif len(numbers) != self._width:
            self.tally.broken += 1
        elif not all(map(math.isfinite, numbers)):
            self.tally.not_finite += 1
        else:
            run.append(numbers)
            return
        self._flush(run, blocks, arrived_s)
        if numbers is not None and self._started:
            self._lost += 1

    def _flush(self, run: list[list[float]], blocks: list[Block], arrived_s: float) -> None:
        if not run:
            return
        values = np.array(run, np.float64)[:, self._columns] * self._scale
        values = np.clip(values, -FLOAT32_MAX, FLOAT32_MAX).astype(np.float32)
        blocks.append(Block(values, arrived_s, self._lost))
        self._lost, self._started = 0, True
        run.clear()
