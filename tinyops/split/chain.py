"""The boards of a chain, the links between them, and what a run of operators costs on one of them.

Times are whole nanoseconds and sizes whole bytes, rounded up, so that sums are exact and ties are ties.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from tinyops.errors import SpecError

SECOND_NS = 10**9
MAX_PARTS = 16
UNLIMITED = 1 << 40  # bytes of flash or RAM, of a board with an operating system
MAX_LOSS = 0.9  # of frames: beyond it a link is no link


@dataclass(frozen=True)
class Cost:
    """What a part costs on its board: bytes of its image, bytes of its arena, instructions of an inference."""

    flash_bytes: int
    arena_bytes: int
    instructions: int


# (part, begin, end) -> the cost of operators begin to end - 1 as that part; None where its board cannot run them, or
# where they are no part (`stands_alone`).
# Asked once for each. It may answer with a lower bound where that is over the budget already: compiling tells no more.
CostOf: TypeAlias = Callable[[int, int, int], Cost | None]


@dataclass(frozen=True)
class PartBudget:
    """A part's board: what its slot and its arena hold, and how much it computes in a second."""

    name: str
    board: str
    flash_bytes: int
    ram_bytes: int
    instructions_s: int

    def __post_init__(self) -> None:
        for field in ("flash_bytes", "ram_bytes", "instructions_s"):
            _at_least(1, getattr(self, field), f"part {self.name!r}: {field}")

    def time_ns(self, instructions: int) -> int:
        return _up(instructions * SECOND_NS, self.instructions_s)


@dataclass(frozen=True)
class Link:
    """From a part to the next. Every frame carries at most `frame_bytes` of tensors and `overhead_bytes` of its own.

    `loss` is the share of frames that are sent again; `latency_us` passes once for all frames of an inference.
    """

    kind: str
    bytes_s: int
    latency_us: int = 0
    frame_bytes: int = 256
    overhead_bytes: int = 0
    loss: float = 0.0
    radio: bool = False

    def __post_init__(self) -> None:
        for field, least in (("bytes_s", 1), ("latency_us", 0), ("frame_bytes", 1), ("overhead_bytes", 0)):
            _at_least(least, getattr(self, field), f"link {self.kind}: {field}")
        if not 0.0 <= self.loss <= MAX_LOSS:
            raise SpecError(f"link {self.kind}: loss is {self.loss:g}, it must lie in 0..{MAX_LOSS:g}")

    def sent_bytes(self, tensor_bytes: int) -> int:
        """Bytes on the link for so many of tensors, with frames and with what is sent again. One frame at the least."""
        frames = max(1, _up(tensor_bytes, self.frame_bytes))
        whole = tensor_bytes + frames * self.overhead_bytes
        return math.ceil(whole / (1.0 - self.loss)) if self.loss else whole

    def time_ns(self, sent_bytes: int) -> int:
        return self.latency_us * 1000 + _up(sent_bytes * SECOND_NS, self.bytes_s)


@dataclass(frozen=True)
class Chain:
    """Parts in the order in which tensors pass them, and the links between them: one fewer."""

    parts: tuple[PartBudget, ...]
    links: tuple[Link, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.parts) <= MAX_PARTS:
            raise SpecError(f"a chain of {len(self.parts)} parts: 1 to {MAX_PARTS} are supported")
        if len(self.links) != len(self.parts) - 1:
            raise SpecError(f"a chain of {len(self.parts)} parts has {len(self.links)} links, not one between any two")
        if len({part.name for part in self.parts}) != len(self.parts):
            raise SpecError("a chain has two parts of the same name")


def _at_least(least: int, value: int, what: str) -> None:
    if value < least:
        raise SpecError(f"{what} is {value}, at least {least} is supported")


def _up(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
