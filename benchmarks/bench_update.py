"""How much of what a serial line's framing allows an upload reaches, and what raw framing costs on other links.

python benchmarks/bench_update.py [image bytes]

The line is simulated: every byte takes ten bits, and while flash is erased or programmed the core takes nothing.
Between the two ends are the real client, unmodified smpclient beside it (smpmgr uploads with it), and the real server
and slot library in C. What framing allows is the image in full lines (93 bytes in 127), plus the time of the flash
operations that were done; "line alone" is the same without flash, the stricter figure. A core's own time is not in it.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from _line import BITS_A_BYTE, KEY, Chip, Datagrams, Device, Line, Simulated, Wire, build
from _timing import heading, table
from smpclient import SMPClient
from smpclient.transport.serial import SMPSerialTransport

from tinyops.boards.loader import load_catalog
from tinyops.device.update.connection import Connection
from tinyops.device.update.settings import Patience, Stop
from tinyops.device.update.upload import Upload
from tinyops.images import Kind, build_image, sign_image
from tinyops.link.smp.definition import LINE_MAX

# A unit's time from datasheets: a word of nRF51822 46.3 us, of nRF52840 and nRF52833 41 us; a page of W25Q16JV 0.4 ms.
CHIPS = {"microbit": 46.3, "nano33ble": 41.0, "microbit-v2": 41.0, "pico": 400.0}
BUFFERS = {"microbit": (384, 1024), "nano33ble": (384, 1024, 2048), "microbit-v2": (1024, 2048), "pico": (1024, 4096)}
BAUDS = (115_200, 1_000_000)
TARGET = 0.9
TURNAROUND_S = 0.001  # of a bridge on USB, which looks once a frame
LINE_PAYLOAD = (LINE_MAX - 3) // 4 * 3
OVERHEAD_MAX = 0.1
IP_UDP, IP_TCP, ATT_L2CAP = 28, 40, 7
SEGMENT = 1460  # of TCP on Ethernet


@dataclass(frozen=True)
class Reached:
    """One upload on a line: its time there, that of the flash, and what the framing allows."""

    seconds: float
    flash_s: float
    allowed_s: float

    @property
    def share(self) -> float:
        return self.allowed_s / self.seconds

    @property
    def line_share(self) -> float:
        return (self.allowed_s - self.flash_s) / (self.seconds - self.flash_s)


class _Quiet:
    def said(self, device: str, text: str) -> None: ...

    def moved(self, device: str, done: int, total: int) -> None: ...


class _Port:
    """What smpclient's transport needs of pyserial, on a simulated line."""

    port = "simulated"
    out_waiting = 0

    def __init__(self, line: Line) -> None:
        self._line, self._unsent = line, b""

    def write(self, data: bytes) -> int:
        self._line.write(data, 0)
        return len(data)

    def read_all(self) -> bytes:
        return self._line.read(0)

    def close(self) -> None:
        return None


class _OnLine(SMPSerialTransport):
    """smpclient's own framing, sizes and order of requests."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._conn = _Port(line)  # type: ignore[misc, assignment]

    async def connect(self, address: str, timeout_s: float) -> None:  # noqa: ARG002
        self._reset_state()


def ours(line: Line, image: bytes) -> None:
    to = Connection("simulated", Simulated(Wire(line)), settle_s=0, patience=Patience(), watch=_Quiet(), stop=Stop())
    Upload(to, Kind.MODEL, image, lambda _: None).run()


def smpclients(line: Line, image: bytes) -> None:
    async def upload() -> None:
        async with SMPClient(_OnLine(line), "simulated") as client:
            async for _ in client.upload(image, slot=Kind.MODEL):
                pass

    asyncio.run(upload())


def measure(
    upload: Callable[[Line, bytes], None],
    program: Path,
    chip: Chip,
    buffer_bytes: int,
    baud: int,
    image: bytes,
    turnaround_s: float = 0.0,
) -> Reached:
    with Device(program, chip, buffer_bytes) as device:
        line = Line(device, baud, turnaround_s)
        upload(line, image)
        flash_s = device.busy_s
    bare_s = len(image) * LINE_MAX / LINE_PAYLOAD * BITS_A_BYTE / baud
    return Reached(line.clock_s, flash_s, bare_s + flash_s)


def encoded(program: Path, image_bytes: int) -> bool:
    """Prints what console framing reaches. Returns whether the target is met wherever a board has 1,024 bytes."""
    catalog, met = load_catalog(), True
    rows = []
    for name, program_us in CHIPS.items():
        chip = Chip(catalog[name], program_us)
        image = an_image(name, image_bytes)
        for baud in BAUDS:
            for size in BUFFERS[name]:
                own = measure(ours, program, chip, size, baud, image)
                other = measure(smpclients, program, chip, size, baud, image)
                usb = measure(ours, program, chip, size, baud, image, TURNAROUND_S)
                met &= own.line_share >= TARGET or size < 1024
                rows.append(
                    (
                        *(name, f"{baud:,}", f"{size:,}", f"{own.flash_s:.2f} s", f"{own.allowed_s:.2f} s"),
                        *(f"{own.seconds:.2f} s", f"{len(image) / own.seconds / 1000:.2f}"),
                        *(
                            f"{own.share:.1%}",
                            f"{own.line_share:.1%}",
                            f"{other.line_share:.1%}",
                            f"{usb.line_share:.1%}",
                        ),
                    )
                )
    heads = ("board", "baud", "buffer", "flash", "allowed", "reached", "kB/s", "of it")
    table((*heads, "line alone", "smpclient's", "with 1 ms of USB"), rows)
    return met


def raw(program: Path, image_bytes: int) -> bool:
    """Prints what raw framing costs, towards the device. Returns whether that is within 10 % where the link allows."""
    chip = Chip(load_catalog()["nano33ble"], CHIPS["nano33ble"])
    image = an_image("nano33ble", image_bytes)
    links: dict[str, tuple[int | None, Callable[[int], int]]] = {
        "UDP, MTU 1500": (1472, lambda size: size + IP_UDP),
        "TCP, MTU 1500": (None, lambda size: size + IP_TCP * math.ceil(size / SEGMENT)),
        "BLE, MTU 247": (None, lambda size: size + ATT_L2CAP * math.ceil(size / 244)),
        "BLE, MTU 23": (None, lambda size: size + ATT_L2CAP * math.ceil(size / 20)),
    }
    rows, met = [], True
    for size in (1024, 2048):
        for link, (limit, on_link) in links.items():
            with Device(program, chip, size) as device:
                channel = Datagrams(device)
                transport = Simulated(channel, limit)
                to = Connection("simulated", transport, settle_s=0, patience=Patience(), watch=_Quiet(), stop=Stop())
                Upload(to, Kind.MODEL, image, lambda _: None).run()
            framing = sum(channel.sent) / len(image) - 1
            whole = sum(map(on_link, channel.sent)) / len(image) - 1
            met &= framing <= OVERHEAD_MAX and (whole <= OVERHEAD_MAX or link == "BLE, MTU 23")
            rows.append((link, f"{size:,}", f"{len(channel.sent):,}", f"{framing:.1%}", f"{whole:.1%}"))
    table(("link", "buffer", "messages", "overhead of SMP", "with the link's own headers"), rows)
    return met


def an_image(board: str, count: int) -> bytes:
    body = random.Random(1).randbytes(count)  # noqa: S311
    return sign_image(build_image(body, kind=Kind.MODEL, board=board, contract=bytes(32), counter=1), KEY)


def main(image_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        heading(f"Uploads over a simulated serial line, {image_bytes:,} bytes; times on the line's clock")
        line = encoded(program, image_bytes)
        print(f"{TARGET:.0%} of what encoded framing allows, with 1,024 bytes of buffer: {'met' if line else 'MISSED'}")
        heading(f"Raw messages, {image_bytes:,} bytes")
        message = raw(program, image_bytes)
        print(f"at most {OVERHEAD_MAX:.0%} of overhead: {'met' if message else 'MISSED'}; MTU 23 is the link's own")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 65_536)
