"""A device with a collector's firmware, in software: it speaks the link over a pseudo terminal or any function.

What its sensor measures is a ramp, so that a test sees which frame is which: value v of frame n is n + 100 x v.
"""

from __future__ import annotations

import contextlib
import os
import select
import struct
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from tinyops.files import digest_json
from tinyops.link.codec import Decoder, Frame, encode
from tinyops.link.protocol import DATA_MAX, REPLIES, REPLY, REQUESTS, Status, Type
from tinyops.manifest.contract import collector_contract
from tinyops.specs.model import Signal

PACE_S = 0.002


def contract_of(signal: Signal) -> bytes:
    return bytes.fromhex(digest_json(collector_contract(signal.model_dump(mode="json"))).removeprefix("sha256:"))


def samples_payload(take: int, frame: int, values: bytes, clock_ms: int = 0, value: int = 0) -> bytes:
    return REPLIES[Type.SAMPLES].pack(take, frame % 2**32, value, clock_ms % 2**32, tail=values)


def ramp(first: int, count: int, width: int) -> np.ndarray:
    """Frames `first` to `first + count`, as the device's sensor measures them."""
    frames = np.arange(first, first + count)[:, None] + 100 * np.arange(width)[None, :]
    return ((frames + 32768) % 65536 - 32768).astype("<i2")


@dataclass
class CollectingDevice:
    """`say` sends bytes. `drop`, `twice` name reports (by number) that are lost on the way or come twice; `rate_hz`
    is in frames of the signal; `unplug_after` frames it is gone; `clock_jump` is added to its clock from that frame."""

    signal: Signal
    rate_hz: float = 2000.0
    name: str = "fake nano"
    collector: bool = True
    contract: bytes | None = None
    drop: frozenset[int] = frozenset()
    twice: frozenset[int] = frozenset()
    stale: bool = False
    limit: int | None = None
    fails: bool = False  # at its limit, its sensor
    clock_jump: tuple[int, int] = (1 << 62, 0)
    clock_from_ms: int = 0
    say: Callable[[bytes], None] = lambda _: None
    made: int = 0
    reports: int = 0
    takes: list[int] = field(default_factory=list)
    running: int | None = None
    _began: float = 0.0
    _asked: int = 0
    _decoder: Decoder = field(default_factory=Decoder)

    @property
    def per_report(self) -> int:
        return max(DATA_MAX // (2 * self.signal.frame_values), 1)

    def hear(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            self.say(encode(self._answer(frame)))
            if self.stale and frame.type == Type.COLLECT_START:
                self.say(encode(Frame(Type.SAMPLES, 0, samples_payload(self.takes[-1] - 1, 7, b"\1\0" * self.width))))

    @property
    def width(self) -> int:
        return self.signal.frame_values

    def _answer(self, frame: Frame) -> Frame:
        kind = frame.type | REPLY
        if frame.type == Type.HELLO:
            contract = contract_of(self.signal) if self.contract is None else self.contract
            fields = (1, -20, 1, contract, bytes(32), *(0,) * 6, self.width, 0, 0)
            return Frame(kind, frame.sequence, REPLIES[Type.HELLO].pack(*fields, tail=self.name.encode()))
        if frame.type == Type.COLLECT_START and self.collector:
            (take, _), _ = REQUESTS[Type.COLLECT_START].unpack(frame.payload)
            if take != self.running:
                self.running, self.made, self.reports, self._began = take, 0, 0, time.monotonic()
                self.takes.append(take)
                self._asked = frame.sequence
            payload = REPLIES[Type.COLLECT_START].pack(round(self.rate_hz * 1000), self.width)
            return Frame(kind, frame.sequence, payload)
        if frame.type == Type.COLLECT_STOP and self.collector:
            self.running = None
            return Frame(kind, frame.sequence, REPLIES[Type.COLLECT_STOP].pack(self.made, 0))
        return Frame(Type.ERROR, frame.sequence, struct.pack("<b", Status.TYPE))

    def measure(self) -> None:
        """Sends the reports that are due."""
        if self.running is None:
            return
        due = int((time.monotonic() - self._began) * self.rate_hz)
        due = due if self.limit is None else min(due, self.limit)
        while self.made + self.per_report <= due:
            self._report(self.per_report)
        if self.fails and self.spent:
            self.running = None
            self.say(encode(Frame(Type.ERROR, self._asked, struct.pack("<b", Status.SENSOR))))

    @property
    def spent(self) -> bool:
        return self.limit is not None and self.made + self.per_report > self.limit

    def _report(self, count: int) -> None:
        values = ramp(self.made, count, self.width).tobytes()
        clock_ms = self.clock_from_ms + round((self.made + count - 1) / self.rate_hz * 1000)
        clock_ms += self.clock_jump[1] if self.made >= self.clock_jump[0] else 0
        for at in range(0, len(values), DATA_MAX) if count == 1 else (0,):
            piece = values[at : at + DATA_MAX]
            payload = samples_payload(self.running or 0, self.made, piece, clock_ms, at // 2)
            for _ in range((self.reports not in self.drop) + (self.reports in self.twice)):
                self.say(encode(Frame(Type.SAMPLES, 0, payload)))
            self.reports += 1
        self.made += count


@contextlib.contextmanager
def on_terminal(device: CollectingDevice, *, unplug: bool = False, held: int | None = None) -> Iterator[str]:
    """The path of a port on which the device answers. `unplug`: the port vanishes when its `limit` is reached.

    `held`: bytes that wait at most for whoever reads, what comes then is lost, as on a line; else the device waits.
    """
    done = threading.Event()
    far, near = os.openpty()
    tty.setraw(near)
    port = os.ttyname(near)

    os.set_blocking(far, held is None)
    waiting = bytearray()

    def say(data: bytes) -> None:
        if held is None or len(waiting) + len(data) <= held:
            waiting.extend(data)
        with contextlib.suppress(BlockingIOError):
            while waiting:
                del waiting[: os.write(far, waiting)]

    device.say = say
    thread = threading.Thread(target=_serve, args=(device, far, done, unplug), daemon=True)
    thread.start()
    try:
        yield port
    finally:
        done.set()
        thread.join(timeout=5)
        os.close(near)


def _serve(device: CollectingDevice, far: int, done: threading.Event, unplug: bool) -> None:
    while not done.is_set() and not (unplug and device.spent):
        ready, _, _ = select.select([far], [], [], PACE_S)
        if ready:
            device.hear(os.read(far, 4096))
        device.measure()
        device.say(b"")
    time.sleep(2 * PACE_S * unplug)
    os.close(far)
