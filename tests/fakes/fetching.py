"""The cycle that fetches models (tests/runtime/run_fetch.c) in a conversation: its network, clock and application."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from fakes.compiled import BASE, SANITIZED
from tinyops.firmware.fetched import signature_sources
from tinyops.specs.lock import SOURCES

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
RUNNER = ROOT / "tests/runtime/run_fetch.c"
ENDED, LOST = -1, -2
PENDING, WAITS, PAUSES = 1, 0, 5
STEPS_MAX = 200_000


class Event(IntEnum):
    """As in fetch/cycle.h."""

    UNCHANGED = 1
    UP_TO_DATE = 2
    OFFER = 3
    RESUMES = 4
    TRIAL = 5
    CONFIRMED = 6
    FAILED = 7
    REFUSED = 8
    WAITS = 9


@dataclass(frozen=True)
class Told:
    """One report of the cycle, and the device's clock then."""

    event: Event
    reason: int
    status: int
    version: int
    bytes: int
    total: int
    received: int
    words: str
    at_ms: int


@dataclass(frozen=True)
class Request:
    host: str
    port: int
    path: str
    headers: dict[str, str]


# What comes over a connection: bytes, milliseconds of silence, or a status that ends it (a negative number).
Piece = bytes | int
Server = Callable[[Request], Iterable[Piece]]


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An answer; underscores in names stand for hyphens. `Content_Length=""` leaves it out."""
    named = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in named.items() if value)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@functools.cache
def program() -> Path:
    """Built once a process, with sanitizers."""
    folder = Path(tempfile.mkdtemp(prefix="tinyops-fetch-"))
    made = folder / "run_fetch"
    objects, include = signature_objects(folder)
    sources = [RUNNER, RUNTIME / "boot/table.c", RUNTIME / "port/sim/flash_model.c"]
    for name in ("fetch", "update", "digest", "signature"):
        sources += sorted((RUNTIME / name).glob("*.c"))
    command = ["gcc", *BASE, *SANITIZED, *include, *sources, *objects, "-o", made]
    subprocess.run(command, check=True)
    return made


def signature_objects(folder: Path) -> tuple[list[Path], list[Any]]:
    """The curve, compiled in a folder, and where headers lie."""
    for name, data in signature_sources(SOURCES, lambda _: None).items():
        (folder / name).write_bytes(data)
    curve = folder / "monocypher.o"
    common = ["gcc", "-std=c99", *SANITIZED]
    subprocess.run([*common, "-fno-sanitize=shift", "-c", folder / "monocypher.c", "-o", curve], check=True)
    include: list[Any] = []
    for place in ("include", "port/sim", "signature", "fetch"):
        include += ["-I", RUNTIME / place]
    return [curve], [*include, "-isystem", folder]


@dataclass
class Cycle:
    """The program, running. `served` has every request; the application starts what is pending, and `verdict` is how a
    model on trial does."""

    server: Server
    endpoint: str = "https://releases.test/r/releases"
    least_s: int = 1_700_000_000
    contract: bytes = bytes(range(32))
    keys: tuple[bytes, ...] = ()
    model: bytes = b""
    piece_bytes: int = 10_000
    verdict: int = 1
    open_status: int = 0
    told_status: int = 0
    told: list[Told] = field(default_factory=list)
    served: list[Request] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    now_ms: int = 0
    tick_ms: int = 5_000  # that goes by at once while it waits for its next poll

    def __enter__(self) -> Cycle:
        texts = [self.endpoint, str(self.least_s), self.contract.hex(), b"".join(self.keys).hex(), self.model.hex()]
        self._child = subprocess.Popen(
            [program(), *texts], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._host, self._port, self._request = "", 0, b""
        self._pieces: list[Piece] = []
        self._orders: list[str] = []
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        said = self._child.communicate()[1]
        assert "runtime error" not in said and "Sanitizer" not in said, said

    def reboot(self) -> None:
        self._orders.append("boot")

    def until(self, *events: Event) -> Told:
        """Goes on until one of these is told."""
        assert self._child.stdout is not None
        for _ in range(STEPS_MAX):
            line = self._child.stdout.readline()
            if not line:
                raise AssertionError(f"it ended: {self._child.communicate()[1][-2000:]}")
            kind, _, rest = line.rstrip("\n").partition(" ")
            if kind == "F":
                self.told.append(self._read(rest))
                if not events or self.told[-1].event in events:
                    return self.told[-1]
            else:
                self._serve(kind, rest)
        raise AssertionError(f"never {events}: {self.told[-3:]}")

    def _read(self, rest: str) -> Told:
        numbers = rest.split(" ", 7)
        event, reason, status, version, count, total, received = map(int, numbers[:7])
        return Told(Event(event), reason, status, version, count, total, received, numbers[7], self.now_ms)

    def _serve(self, kind: str, rest: str) -> None:
        if kind == "O":
            host, _, port = rest.partition(" ")
            self._host, self._port, self._pieces, self._request = host, int(port), [], b""
            self.opened.append(host)
            self._say(str(self.open_status))
        elif kind == "C":
            self.now_ms += 1
            self._say("1")
        elif kind == "S":
            self._take(bytes.fromhex(rest))
        elif kind == "R":
            self._say(self._give(int(rest)))
        elif kind == "T":
            self.times.append(int(rest))
            self._say(str(self.told_status))
        elif kind == "J":
            self._say(str(self.verdict))
        elif kind == "I":
            self._say(self._idle(*map(int, rest.split())))

    def _say(self, text: str) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(text + "\n")
        self._child.stdin.flush()

    def _take(self, data: bytes) -> None:
        self._request += data
        if not self._request.endswith(b"\r\n\r\n"):
            return
        first, *lines = self._request[:-4].decode().split("\r\n")
        method, path, version = first.split(" ")
        assert (method, version) == ("GET", "HTTP/1.1")
        request = Request(self._host, self._port, path, dict(line.split(": ", 1) for line in lines))
        self._request = b""
        self.served.append(request)
        self._pieces = list(self.server(request))

    def _give(self, room: int) -> str:
        if not self._pieces:
            return f"E {ENDED}"
        piece = self._pieces.pop(0)
        if isinstance(piece, int):
            if piece < 0:
                return f"E {piece}"
            self.now_ms += piece
            return f"W {piece}"
        count = min(room, self.piece_bytes)
        if len(piece) > count:
            self._pieces.insert(0, piece[count:])
        return f"D {piece[:count].hex()}"

    def _idle(self, state: int, phase: int) -> str:
        if state == PENDING:
            return "start"
        if self._orders:
            return self._orders.pop(0)
        if phase in (WAITS, PAUSES):
            self.now_ms += self.tick_ms
            return f"W {self.tick_ms}"
        return "W 0"
