"""What tests of collectors share: signals, requests for a board's collector, and whoever talks to one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tinyops.boards.loader import load_catalog
from tinyops.firmware.collector_request import collector_request
from tinyops.firmware.forms.form import Request
from tinyops.link import Decoder, Frame, Type, encode
from tinyops.link.protocol import REPLIES, REPLY, REQUESTS
from tinyops.specs.dataset import Signal

IMU = Signal(
    sensor="imu",
    channels=("ax", "ay", "az", "gx", "gy", "gz"),
    units=("m/s2", "m/s2", "m/s2", "rad/s", "rad/s", "rad/s"),
    full_scale=(39.2, 39.2, 39.2, 34.9, 34.9, 34.9),
    rate_hz=50,
)
SOUND = Signal(sensor="microphone", channels=("audio",), units=("1",), full_scale=(1,), rate_hz=16000)
PICTURES = Signal(sensor="camera", channels=("luma",), units=("1",), full_scale=(1,), size=(120, 160))


def request_for(board: str, signal: Signal = IMU, **chosen: Any) -> Request:
    return collector_request("motions", signal, load_catalog()[board], **chosen)


class Recorder:
    """Talks to a collector over what gives and takes bytes; keeps its samples."""

    def __init__(self, read: Callable[[], bytes], write: Callable[[bytes], object]) -> None:
        self._read, self._write, self._decoder, self._sequence = read, write, Decoder(), 0
        self.frames: list[Frame] = []
        self.samples: list[tuple[int, int, int, bytes]] = []  # take, frame, value, int16s

    def more(self) -> list[Frame]:
        """What comes next, but for samples."""
        return list(self._more())

    def _more(self) -> Iterator[Frame]:
        data = self._read()
        assert data, "the collector is gone"
        for frame in self._decoder.feed(data):
            if frame.type == Type.SAMPLES:
                (take, number, at, _), tail = REPLIES[Type.SAMPLES].unpack(frame.payload)
                self.samples.append((int(take), int(number), int(at), tail))
            else:
                yield frame

    def ask(self, kind: Type, *values: int) -> tuple[int | bytes, ...]:
        """The fields of the answer; an ERROR's status alone."""
        self._sequence = (self._sequence + 1) % 256
        self._write(encode(Frame(kind, self._sequence, REQUESTS[kind].pack(*values))))
        while True:
            for frame in self.more():
                if frame.sequence == self._sequence and frame.type in (kind | REPLY, Type.ERROR):
                    asked = kind if frame.type != Type.ERROR else Type.ERROR
                    return REPLIES[asked].unpack(frame.payload)[0]

    def until(self, frames: int, size: int, take: int) -> None:
        """Waits for the end of the frame of this number in this take."""
        while not any(s[0] == take and s[1] + len(s[3]) // (2 * size) >= frames for s in self.samples[-1:]):
            assert not self.more()

    def whole(self, size: int) -> dict[int, list[int]]:
        """The frames by their numbers."""
        found: dict[int, list[int]] = {}
        for _, number, _, data in self.samples:
            values = [int.from_bytes(data[i : i + 2], "little", signed=True) for i in range(0, len(data), 2)]
            for i in range(0, len(values), size):
                found[number + i // size] = values[i : i + size]
        return found
