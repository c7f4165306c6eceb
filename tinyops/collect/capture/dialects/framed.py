"""Our own firmware: SAMPLES reports of the link, numbered and checksummed, so that what is lost is known.

Whole reports are handled, never single samples: those stay bytes until numpy reads them.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Sequence

import numpy as np

from tinyops.collect.capture.block import Block, Tally
from tinyops.link.client import BoardFault
from tinyops.link.codec import Decoder, Frame
from tinyops.link.protocol import DATA_MAX, REPLIES, Type

HEAD = struct.Struct("<BIII")  # REPLIES[Type.SAMPLES], which the tests compare
FAULT = struct.Struct("<III")
ANSWERS_MAX, GAPS_MAX = 64, 64
WRAP, HALF = 2**32, 2**31


class Framed:
    """SAMPLES of one take; answers to requests wait in `answers`."""

    name = "framed"
    counts = True
    clocked = True

    def __init__(self, frame_values: int) -> None:
        self.tally = Tally()
        self.answers: deque[Frame] = deque(maxlen=ANSWERS_MAX)
        self._frame_bytes = 2 * frame_values
        self._decoder = Decoder()
        self.begin(None)

    def begin(self, take: int | None) -> None:
        self.tally = Tally()
        self._bad_before = self._decoder.bad_frames
        self._take = take
        self._next: int | None = None if take is None else 0  # index of the frame that is due
        self._gaps: deque[tuple[int, int]] = deque(maxlen=GAPS_MAX)
        self._partial: tuple[int, bytearray] | None = None
        self._clock_ms: int | None = None
        self._run: list[bytes] = []
        self._lost = 0

    @property
    def frames(self) -> int:
        """Made by the device so far, lost ones among them, as far as is known here."""
        return self._next or 0

    def missing(self, made: int) -> int:
        """How many frames are missing at the end when the device says that it made `made`, modulo 2^32."""
        behind = (made - self.frames) % WRAP
        return behind if behind < HALF else 0

    def feed(self, data: bytes, arrived_s: float) -> Sequence[Block]:
        blocks: list[Block] = []
        for frame in self._decoder.feed(data):
            if frame.type == Type.SAMPLES:
                self._samples(frame.payload, arrived_s, blocks)
            elif frame.type == Type.FAULT and len(frame.payload) == FAULT.size:
                pc, lr, psr = FAULT.unpack(frame.payload)
                raise BoardFault(f"the program on the board crashed at {pc:#010x}, called from {lr:#010x}", pc, lr, psr)
            else:
                self.answers.append(frame)
        self.tally.bad_frames = self._decoder.bad_frames - self._bad_before
        self._flush(arrived_s, blocks)
        return blocks

    def _samples(self, payload: bytes, arrived_s: float, blocks: list[Block]) -> None:
        if len(payload) <= HEAD.size or len(payload) > HEAD.size + REPLIES[Type.SAMPLES].tail_max:
            self.tally.broken += 1
            return
        take, first, value, clock_ms = HEAD.unpack_from(payload)
        if self._take is not None and take != self._take:
            self.tally.stale += 1
            return
        self._take = take
        found = self._whole(first, value, payload[HEAD.size :])
        if found is not None:
            self._place(first, found, arrived_s, blocks)
            self._tick(clock_ms)

    def _whole(self, first: int, value: int, data: bytes) -> bytes | None:
        """Whole frames; None for the piece of a frame that is not complete, or of one that never will be."""
        if value == 0 and len(data) % self._frame_bytes == 0:
            self._partial = None
            return data
        if value == 0 and self._frame_bytes > DATA_MAX:
            self._partial = (first, bytearray())
        if self._partial is None or self._partial[0] != first or len(self._partial[1]) != 2 * value:
            self.tally.broken += 1
            self._partial = None
            return None
        held = self._partial[1]
        held += data
        if len(held) < self._frame_bytes:
            return None
        self._partial = None
        if len(held) > self._frame_bytes:
            self.tally.broken += 1
            return None
        return bytes(held)

    def _place(self, first: int, data: bytes, arrived_s: float, blocks: list[Block]) -> None:
        count = len(data) // self._frame_bytes
        due = first if self._next is None else self._next
        ahead = (first - due) % WRAP
        if ahead >= HALF:
            behind = WRAP - ahead
            known = any(begin <= due - behind < end for begin, end in self._gaps)
            late = min(count, behind)
            if known:
                self.tally.late += late
            else:
                self.tally.duplicates += late
            if count <= behind:
                return
            data = data[behind * self._frame_bytes :]
            ahead, count = 0, count - behind
        if ahead:
            self._flush(arrived_s, blocks)
            self._gaps.append((due, due + ahead))
            self._lost += ahead
        self._run.append(data)
        self._next = due + ahead + count

    def _tick(self, clock_ms: int) -> None:
        if self._clock_ms is None:
            self._clock_ms = clock_ms
            return
        moved = (clock_ms - self._clock_ms) % WRAP
        self._clock_ms += moved if moved < HALF else moved - WRAP

    def _flush(self, arrived_s: float, blocks: list[Block]) -> None:
        if not self._run:
            return
        values = np.frombuffer(b"".join(self._run), "<i2").reshape(-1, self._frame_bytes // 2)
        blocks.append(Block(values, arrived_s, self._lost, self._clock_ms))
        self._run, self._lost = [], 0
