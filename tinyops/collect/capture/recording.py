"""The take that is being recorded: its blocks go to the journal, its figures to whoever shows them."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyops.collect.capture.block import Block
from tinyops.collect.capture.journal import TAKE_LIMIT_BYTES, Heading, Journal
from tinyops.datasets.adding import COUNT_STEPS, clipped_values

GAPS_MAX = 99_000  # of the 100,000 that a take's file holds
RECENT_S = 3.0
OVER, FULL = "its time is over", "it is as large as a recording may be"
SHOWN_VALUES = 16_384


@dataclass(frozen=True)
class Limit:
    """When a take ends by itself: after frames, lost ones among them, or after seconds of this machine's clock."""

    frames: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class View:
    """What is shown of a running take. `recent` are its newest frames [n, V], in the channels' units."""

    label: str
    frames: int
    lost: int
    clipped: int
    seconds: float
    seconds_left: float | None
    rate_hz: float | None
    recent: NDArray[np.float64]


class Recording:
    """One take. `ended` says why it is over, "" while it runs."""

    def __init__(self, journal: Journal, heading: Heading, limit: Limit) -> None:
        self.journal = journal
        self.heading = heading
        self.ended = ""
        self.frames = self.lost = self.clipped = self._gaps = 0
        self.last_s = self._begun_s = time.monotonic()
        self._limit = limit
        self._counts = heading.facts.full_scale is not None
        self._points: deque[tuple[float, int]] = deque()
        self._recent: deque[NDArray[Any]] = deque()
        channels = len(heading.facts.channels)
        scale = np.array(heading.facts.full_scale or [COUNT_STEPS] * channels, np.float64) / COUNT_STEPS
        self._unit = np.tile(scale, heading.values // channels)  # of one count, where values are counts
        self._shown = max(SHOWN_VALUES // heading.values, 1)
        self._held = 0

    @property
    def made(self) -> int:
        return self.frames + self.lost

    def add(self, block: Block) -> Block | None:
        """Records a block, or what of it is within the limit; returns what is beyond it. Raises ToolError when the
        disk refuses."""
        if self.ended:
            return block
        block, beyond = self._within(block)
        if len(block.values) or block.lost:
            self._record(block)
        return beyond

    def _record(self, block: Block) -> None:
        self.journal.add(block)
        self.frames += len(block.values)
        self.lost += block.lost
        self._gaps += bool(block.lost)
        self.last_s = block.arrived_s
        self._look(block)
        if self.journal.bytes >= TAKE_LIMIT_BYTES or self._gaps >= GAPS_MAX:
            self.ended = FULL

    def tick(self) -> None:
        """Time has gone by."""
        if self._limit.seconds is not None and time.monotonic() - self._begun_s >= self._limit.seconds:
            self.ended = self.ended or OVER

    def view(self) -> View:
        seconds = time.monotonic() - self._begun_s
        left = None
        rate = self._rate()
        if self._limit.seconds is not None:
            left = max(self._limit.seconds - seconds, 0.0)
        elif self._limit.frames is not None:
            left = (self._limit.frames - self.made) / (rate or self.heading.facts.rate_hz or 1.0)
        recent = np.concatenate(self._recent) if self._recent else np.zeros((0, self.heading.values))
        shown = recent[-self._shown :].astype(np.float64) * self._unit
        return View(self.heading.label, self.frames, self.lost, self.clipped, seconds, left, rate, shown)

    def _within(self, block: Block) -> tuple[Block, Block | None]:
        if self._limit.seconds is not None and block.arrived_s - self._begun_s >= self._limit.seconds:
            self.ended = OVER
            return Block(block.values[:0], block.arrived_s), block
        if self._limit.frames is None:
            return block, None
        room = self._limit.frames - self.made
        if block.lost + len(block.values) < room:
            return block, None
        self.ended = OVER
        lost = min(block.lost, room)
        beyond = Block(block.values[room - lost :], block.arrived_s, 0, block.clock_ms)
        if not len(beyond.values):
            return block, None
        return Block(block.values[: room - lost], block.arrived_s, lost), beyond  # its clock is that of a later frame

    def _look(self, block: Block) -> None:
        channels = len(self.heading.facts.channels)
        flat = block.values.reshape(-1, channels)
        ends = self.heading.facts.full_scale or self.heading.limits
        if len(flat) and ends:
            self.clipped += clipped_values(flat, ends, counts=self._counts)
        self._points.append((block.arrived_s, self.made))
        while self._points[-1][0] - self._points[0][0] > RECENT_S:
            self._points.popleft()
        self._recent.append(block.values)
        self._held += len(block.values)
        while self._held - len(self._recent[0]) >= self._shown:
            self._held -= len(self._recent.popleft())

    def _rate(self) -> float | None:
        (first_s, first), (last_s, last) = (self._points[0], self._points[-1]) if self._points else ((0.0, 0),) * 2
        return (last - first) / (last_s - first_s) if last_s - first_s > 0.2 else None
