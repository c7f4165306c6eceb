"""A line to a board without either: exact byte times and flash times on a clock of its own, the real server in C.

    host --10 bits a byte--> server (feeds, erases, programs, answers) --10 bits a byte--> host

One request is in flight at a time, so the two directions never overlap; while flash is busy the core takes nothing.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tinyops.boards.layout import Flash
from tinyops.boards.model import Board
from tinyops.compiler.host import WARNINGS
from tinyops.compiler.options import RUNTIME
from tinyops.device.transports.kind import Channel, Closing, Traits
from tinyops.link.smp.messages import ConsoleMessages
from tinyops.manifest.keys import SigningKey
from tinyops.process import run

BITS_A_BYTE = 10  # start, eight, stop
RAW_BIT = 1 << 31
KEY = SigningKey.generate()
SIM = RUNTIME / "port/sim"
SOURCES = ("smp", "digest", "update")
SOURCE = Path(__file__).parent / "update_device.c"


def build(folder: Path) -> Path:
    """The board's program."""
    program = folder / "update_device"
    sources = [SOURCE, SIM / "flash_model.c", *(c for name in SOURCES for c in sorted((RUNTIME / name).glob("*.c")))]
    include = ["-I", RUNTIME / "include", "-I", SIM]
    run(["gcc", "-std=c99", *WARNINGS, "-O2", *include, *sources, "-o", program], timeout_s=120)
    return program


@dataclass(frozen=True)
class Chip:
    """A board of the catalogue, and how long it takes to program a unit, which the catalogue does not say."""

    board: Board
    program_us: float

    @property
    def flash(self) -> Flash:
        assert self.board.spec.layout is not None
        at = self.board.spec.layout.model[0].origin
        return next(flash for flash in self.board.spec.memory.flash if flash.origin <= at < flash.end)

    def arguments(self, buffer_bytes: int) -> list[str]:
        layout, flash = self.board.spec.layout, self.flash
        assert layout is not None
        slots = layout.model
        log = flash.end - 2 * flash.erase_bytes  # nothing is timed there: no matter what lies in it on the board
        programs = 1 if flash.reprogram == "never" else min(int(flash.reprogram), 200)
        values = (
            *(buffer_bytes, flash.origin, flash.bytes, flash.erase_bytes, flash.program_bytes, programs),
            *(slots[0].origin, slots[1].origin, min(slot.bytes for slot in slots), log, 2 * flash.erase_bytes),
            *(round(flash.erase_ms * 1e6), round(self.program_us * 1e3)),
        )
        return [*map(str, values), self.board.name, KEY.public.raw.hex()]


class Device:
    """The board's program, running."""

    def __init__(self, program: Path, chip: Chip, buffer_bytes: int) -> None:
        argv = [str(program), *chip.arguments(buffer_bytes)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.busy_s, self.erased, self.programmed = 0.0, 0, 0

    def give(self, data: bytes, *, raw: bool = False) -> bytes:
        """What it answers to these bytes; `busy_s` is how long its flash has worked so far."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(struct.pack("<I", len(data) | (RAW_BIT if raw else 0)) + data)
        self._process.stdin.flush()
        (count,) = struct.unpack("<I", self._process.stdout.read(4))
        answer = self._process.stdout.read(count)
        busy_ns, self.erased, self.programmed = struct.unpack("<QII", self._process.stdout.read(16))
        self.busy_s = busy_ns / 1e9
        return answer

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()


class Line:
    """A ByteStream to a device. `clock_s` is the time that has passed on the line."""

    def __init__(self, device: Device, baud: int, turnaround_s: float = 0.0) -> None:
        self._device, self._byte_s, self._turnaround_s = device, BITS_A_BYTE / baud, turnaround_s
        self._coming = b""
        self.clock_s = 0.0
        self.bytes_out = self.bytes_in = 0

    def write(self, data: bytes, timeout_s: float) -> None:  # noqa: ARG002 no time passes but on the line's clock
        self.clock_s += len(data) * self._byte_s
        self.bytes_out += len(data)
        busy_s = self._device.busy_s
        answer = self._device.give(data)
        self.clock_s += self._device.busy_s - busy_s + len(answer) * self._byte_s
        self.clock_s += self._turnaround_s if answer else 0.0
        self.bytes_in += len(answer)
        self._coming += answer

    def read(self, timeout_s: float) -> bytes:  # noqa: ARG002
        data, self._coming = self._coming, b""
        return data


class Wire(ConsoleMessages, Closing):
    """A channel on a simulated line."""

    def close(self) -> None:
        return None


class Datagrams(Closing):
    """A channel on which raw messages travel at once; counts them and their bytes each way."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._coming: list[bytes] = []
        self.sent: list[int] = []
        self.received = self.bad = 0

    def send(self, message: bytes, timeout_s: float) -> None:  # noqa: ARG002
        self.sent.append(len(message))
        self._coming.append(self._device.give(message, raw=True))

    def receive(self, timeout_s: float) -> Sequence[bytes]:  # noqa: ARG002
        messages, self._coming = self._coming, []
        self.received += sum(map(len, messages))
        return messages

    def close(self) -> None:
        return None


class Simulated:
    """A Transport whose only channel is there already."""

    name, form, about = "simulated", "sim", "benchmarks"

    def __init__(self, channel: Channel, message_max: int | None = None) -> None:
        self._channel, self._message_max = channel, message_max

    def takes(self, address: str) -> bool:
        return address == self.form

    def check(self, address: str) -> None:  # noqa: ARG002
        return None

    def traits(self, address: str) -> Traits:  # noqa: ARG002
        return Traits(framing="console", window=1, resend_s=5.0, connect_s=1.0, message_max=self._message_max)

    def open(self, address: str, *, settle_s: float = 0.0) -> Channel:  # noqa: ARG002
        return self._channel
