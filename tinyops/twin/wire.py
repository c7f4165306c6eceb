"""One way of a link between two virtual boards: bytes in, bytes out later, with the faults that a real line has.

Pure: whoever carries the bytes says what time it is, so the same bytes at the same times meet the same fate. A wire
knows where frames end and nothing of what is in them.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tinyops.link.protocol import ENCODED_MAX

CONSOLE = (b"\x06\x09", b"\x04\x14")  # how lines of SMP begin, which share the line with frames
UNIT_MAX = 2 * ENCODED_MAX  # what is longer than this without an end is passed on as it is
AHEAD_S = 0.02  # how much of the wire's time may be taken before whoever sends has to wait


@dataclass(frozen=True)
class Terms:
    """What a wire does to what goes over it: bytes a second (None: as many as come), the time from sent to received,
    and shares of the frames that meet a fault."""

    bytes_s: float | None = None
    latency_s: float = 0.0
    loss: float = 0.0
    duplicated: float = 0.0
    reordered: float = 0.0
    damaged: float = 0.0


@dataclass
class Counts:
    """Of one way since it was made: what was sent, how many of the bytes in frames of each type, and the frames that
    met a fault."""

    bytes: int = 0
    frames: int = 0
    of_type: Counter[int] = field(default_factory=Counter)
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    damaged: int = 0


@dataclass
class Cutter:
    """Cuts a stream into frames, each with the 0x00 around it, and lines of SMP."""

    _pending: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The units that these bytes complete; what is left waits."""
        self._pending += data
        while size := self._unit_bytes():
            yield bytes(self._pending[:size])
            del self._pending[:size]

    def _unit_bytes(self) -> int:
        """How long the unit is that comes first; 0 while it has no end."""
        start = len(self._pending) - len(self._pending.lstrip(b"\0"))
        ends = [self._pending.find(b"\0", start)]
        if self._pending.startswith(CONSOLE, start):
            ends.append(self._pending.find(b"\n", start))
        end = min((end + 1 for end in ends if end >= 0), default=UNIT_MAX)
        return min(end, UNIT_MAX) if len(self._pending) >= min(end, UNIT_MAX) else 0


@dataclass
class Wire:
    """One way. `seed` decides which frames meet a fault.

    Frames take their time one after another, lost ones too; then each arrives after the latency. While the wire is
    stalled nothing arrives, while it is cut what is sent and what was under way is gone.
    """

    terms: Terms
    seed: int = 0
    counts: Counts = field(default_factory=Counts)
    stalled: bool = False
    _cut: bool = False
    _free_at: float = 0.0
    _under_way: list[tuple[float, int, bytes]] = field(default_factory=list)
    _held: bytes | None = None  # waits for the next one to pass it
    _sent: int = 0

    def __post_init__(self) -> None:
        self._cutter = Cutter()
        self._dice = random.Random(self.seed)  # noqa: S311  (decides no secret)

    @property
    def cut(self) -> bool:
        return self._cut

    @cut.setter
    def cut(self, is_cut: bool) -> None:
        self._cut = is_cut
        if is_cut:
            self._under_way.clear()
            self._cutter, self._held = Cutter(), None

    def takes(self, now: float) -> bool:
        """Whether more may be sent now: a wire with a rate pushes back."""
        return self._cut or self._free_at <= now + AHEAD_S

    def takes_at(self) -> float:
        """When it takes more."""
        return self._free_at - AHEAD_S

    def send(self, data: bytes, now: float) -> None:
        self.counts.bytes += len(data)
        if self._cut:
            return
        for unit in self._cutter.feed(data):
            self._send_unit(unit, now)

    def receive(self, now: float) -> bytes:
        """What has arrived since the last call."""
        arrived = bytearray()
        while not self.stalled and self._under_way and self._under_way[0][0] <= now:
            arrived += heapq.heappop(self._under_way)[2]
        return bytes(arrived)

    def next_at(self) -> float | None:
        """When the next bytes arrive; None where nothing is under way."""
        return None if self.stalled or not self._under_way else self._under_way[0][0]

    def _send_unit(self, unit: bytes, now: float) -> None:
        self.counts.frames += 1
        kind = frame_type(unit)
        if kind is not None:
            self.counts.of_type[kind] += len(unit)
        took_s = len(unit) / self.terms.bytes_s if self.terms.bytes_s else 0.0
        self._free_at = max(self._free_at, now) + took_s
        for each in self._fated(unit):
            self._sent += 1
            heapq.heappush(self._under_way, (self._free_at + self.terms.latency_s, self._sent, each))

    def _fated(self, unit: bytes) -> Iterator[bytes]:
        """What becomes of a unit: it, or nothing, or more. A roll of the dice for each kind of fault, whatever the
        others say, so that a share that changes moves no other fault."""
        terms, counts = self.terms, self.counts
        lost, twice, late, harmed = (self._dice.random() for _ in range(4))
        where, bit = self._dice.random(), self._dice.randrange(8)
        if lost < terms.loss:
            counts.lost += 1
            return
        if harmed < terms.damaged:
            counts.damaged += 1
            unit = _damaged(unit, where, bit)
        held, self._held = self._held, None
        if held is None and late < terms.reordered:
            counts.reordered += 1
            self._held = unit
            return
        yield unit
        if twice < terms.duplicated:
            counts.duplicated += 1
            yield unit
        if held is not None:
            yield held


def frame_type(unit: bytes) -> int | None:
    """Of a frame as it goes over the line, behind the first code of COBS; None of what is no frame."""
    frame = unit.strip(b"\0")
    if len(frame) < 2 or frame.startswith(CONSOLE):
        return None
    return frame[1] if frame[0] > 1 else 0


def _damaged(unit: bytes, where: float, bit: int) -> bytes:
    """One bit of it is another."""
    at = int(where * len(unit))
    return unit[:at] + bytes((unit[at] ^ (1 << bit),)) + unit[at + 1 :]
