"""What the receiver of recordings costs: many devices that push their sensor in real time, each sample read back.

python benchmarks/bench_receiver.py [--devices 200] [--rate 50] [--channels 6] [--seconds 60] [--chunk-s 1]

The server is `tinyops collect serve` in a process of its own; the devices are another one, each with a connection that
it keeps, a take, and a chunk of about a second at a time, at moments spread over that second. At the end every take is
closed, read from the dataset, and compared value by value.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
from _timing import heading, table  # noqa: E402

from tinyops.datasets.index import parse_index  # noqa: E402
from tinyops.datasets.objects import Folder, data_folder, read_entry  # noqa: E402
from tinyops.datasets.take import read_take  # noqa: E402

TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 of this run alone
START_S = 60.0
TRIES = 20


@dataclass(frozen=True)
class Load:
    """What each device does."""

    devices: int
    rate_hz: int
    channels: int
    seconds: float
    chunk_s: float

    @property
    def chunk_frames(self) -> int:
        return max(round(self.rate_hz * self.chunk_s), 1)

    @property
    def chunks(self) -> int:
        return max(round(self.seconds / self.chunk_s), 1)

    def values(self, device: int, first: int, frames: int) -> np.ndarray[Any, np.dtype[np.int16]]:
        """What a device measures: no two places of it look alike for long."""
        count = np.arange(first, first + frames)[:, None] * self.channels + np.arange(self.channels)
        return (count * (2 * device + 1) * 40503 % 65536 - 32768).astype("<i2")


@dataclass
class Said:
    """What the devices saw: seconds until an answer, and how often one had to ask again."""

    answers_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    again: int = 0


class Device:
    """One connection that is kept, and made anew where it was lost."""

    def __init__(self, port: int, said: Said) -> None:
        self._port, self._said = port, said
        self._link: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, target: str, body: bytes = b"") -> dict[str, Any]:
        for _ in range(TRIES):
            try:
                status, answer = await self._once(method, target, body)
            except (OSError, asyncio.IncompleteReadError):
                self._link = None
                status, answer = 503, {}
            if status < 300:
                return answer
            if status not in (429, 503):
                raise RuntimeError(f"{method} {target}: {status} {answer}")
            self._said.again += 1
            await asyncio.sleep(0.5)
        raise RuntimeError(f"{method} {target}: no answer in {TRIES} tries")

    async def _once(self, method: str, target: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if self._link is None:
            self._link = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._link
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length"))
        data = await reader.readexactly(length)
        return int(lines[0].split()[1]), json.loads(data or b"{}")


async def push(number: int, load: Load, port: int, said: Said, begun: asyncio.Event) -> None:
    """One device from its first frame to its receipt."""
    device = Device(port, said)
    facts = {
        "dataset": "wrist",
        "device": f"d-{number:04}",
        "label": "walk",
        "channels": [f"c{n}" for n in range(load.channels)],
        "units": ["g"] * load.channels,
        "full_scale": [4.0] * load.channels,
        "rate_hz": load.rate_hz,
    }
    take = (await device.ask("POST", "/v1/takes", json.dumps(facts).encode()))["take"]
    await begun.wait()
    next_s = time.monotonic() + load.chunk_s * number / load.devices
    offset = 0
    for chunk in range(load.chunks):
        await asyncio.sleep(max(next_s + load.chunk_s - time.monotonic(), 0))  # the chunk's last frame is there
        next_s += load.chunk_s
        body = load.values(number, chunk * load.chunk_frames, load.chunk_frames).tobytes()
        asked_s = time.monotonic()
        answer = await device.ask("PUT", f"/v1/takes/{take}?offset={offset}&crc32={zlib.crc32(body):08x}", body)
        said.answers_s.append(time.monotonic() - asked_s)
        said.late_s.append(time.monotonic() - next_s)
        offset += len(body)
        assert answer["offset"] == offset, (answer, offset)
    await begun.wait()
    receipt = await device.ask("POST", f"/v1/takes/{take}/close", json.dumps({"bytes": offset}).encode())
    assert receipt["frames"] == load.chunks * load.chunk_frames, receipt


async def devices(load: Load, port: int) -> None:
    """All of them; prints when they begin and end, and what they saw."""
    said, begun = Said(), asyncio.Event()
    pushing = [asyncio.create_task(push(number, load, port, said, begun)) for number in range(load.devices)]
    await asyncio.sleep(1)
    print("begun", flush=True)
    begun.set()
    await asyncio.gather(*pushing)
    ordered = sorted(said.answers_s)
    figures = {
        "answers": len(ordered),
        "p50_ms": statistics.median(ordered) * 1000,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
        "most_ms": ordered[-1] * 1000,
        "again": said.again,
    }
    print(json.dumps(figures), flush=True)


@dataclass(frozen=True)
class Used:
    """What a process used so far."""

    cpu_s: float
    at_s: float

    @classmethod
    def of(cls, pid: int) -> Used:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return cls((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), time.monotonic())

    def share_since(self, before: Used) -> float:
        return (self.cpu_s - before.cpu_s) / (self.at_s - before.at_s)


def most_memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def lost_samples(load: Load, index: Path) -> tuple[int, int]:
    """Samples that are not in the dataset as they were measured, and the bytes that it has of them."""
    entries = parse_index(index.read_bytes(), str(index))
    found = {entry.device: entry for entry in entries}
    place, lost, size = Folder(data_folder(index)), 0, 0
    for number in range(load.devices):
        wanted = load.values(number, 0, load.chunks * load.chunk_frames)
        entry = found.get(f"d-{number:04}")
        if entry is None:
            lost += wanted.size
            continue
        data = read_entry(place, entry)
        values = read_take(data, entry.path).values
        size += len(data)
        shorter = min(len(values), len(wanted))
        lost += wanted.size - int((values[:shorter] == wanted[:shorter]).sum())
    return lost, size


def start(folder: Path) -> tuple[subprocess.Popen[str], int]:
    token = folder / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    command = [sys.executable, "-m", "tinyops", "collect", "serve", "--json", "--inbox", str(folder / "inbox")]
    server = subprocess.Popen(
        [*command, "--token-file", str(token), "--listen", "127.0.0.1:0"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    return server, int(json.loads(server.stdout.readline())["port"])


def measure(load: Load, folder: Path) -> int:
    """Prints the figures. Returns how many samples were lost."""
    server, port = start(folder)
    command = [sys.executable, __file__, "--push", str(port), *arguments_of(load)]
    pusher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert pusher.stdout is not None
    try:
        assert pusher.stdout.readline() == "begun\n", "the devices do not begin"
        before = Used.of(server.pid)
        figures = json.loads(pusher.stdout.readline() or "null")
        after = Used.of(server.pid)
        assert figures is not None, "a device gave up"
        memory_mb = most_memory_mb(server.pid)
        fsyncs = fsyncs_of(port)
    finally:
        pusher.kill()
        pusher.wait()
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    lost, size = lost_samples(load, folder / "inbox" / "wrist.csv")
    seconds = after.at_s - before.at_s
    rows = [
        ("CPU of the server", f"{100 * after.share_since(before):.1f} % of one core"),
        ("answers", f"{figures['answers']:,}, of them asked again {figures['again']:,}"),
        ("time of an answer, p50", f"{figures['p50_ms']:.1f} ms"),
        ("p99", f"{figures['p99_ms']:.1f} ms"),
        ("longest", f"{figures['most_ms']:.1f} ms"),
        ("fsyncs", f"{fsyncs:,}, {fsyncs / seconds:.1f} a second"),
        ("most memory", f"{memory_mb:.1f} MB"),
        ("bytes kept", f"{size:,}"),
        ("lost samples", f"{lost:,} of {load.devices * load.chunks * load.chunk_frames * load.channels:,}"),
    ]
    table(("figure", ""), rows)
    return lost


def fsyncs_of(port: int) -> int:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return next(int(line.split()[1]) for line in text.splitlines() if "journal_fsyncs_total" in line and line[0] != "#")


def arguments_of(load: Load) -> list[str]:
    named = {
        "--devices": load.devices,
        "--rate": load.rate_hz,
        "--channels": load.channels,
        "--seconds": load.seconds,
        "--chunk-s": load.chunk_s,
    }
    return [str(part) for pair in named.items() for part in pair]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--rate", type=int, default=50)
    parser.add_argument("--channels", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--chunk-s", type=float, default=1)
    parser.add_argument("--push", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    load = Load(given.devices, given.rate, given.channels, given.seconds, given.chunk_s)
    if given.push:
        asyncio.run(devices(load, given.push))
        return 0
    heading(f"{load.devices:,} devices, {load.rate_hz} Hz x {load.channels} channels, {load.seconds:g} s in real time")
    with tempfile.TemporaryDirectory() as folder:
        return int(measure(load, Path(folder)) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
