"""A part of a chain on an Arduino core, as a process: a Nano 33 BLE's whole rendered program.

Its flash is a file, its line on pins a socket, its radio a socket of packets; its models are the part's, as images for
this machine's core.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fakes.esp32_device import MBED_HOSTS, compile_for
from fakes.update_device import MODEL_FLAGS, _gcc, _header
from tinyops.artifacts import Step
from tinyops.boards import load_catalog
from tinyops.compiler import step as compile_step
from tinyops.compiler.compiled import extension_of, header_of
from tinyops.compiler.image.build import COMMON_FLAGS, MEMORY_FLAGS, lay_out, with_memory
from tinyops.compiler.image.elf import flat_bytes
from tinyops.compiler.options import RUNTIME
from tinyops.device.provision.format import Settings, encode_copy, encode_values
from tinyops.files import digest_json
from tinyops.firmware.chained import FLAG, ChainPlace
from tinyops.firmware.forms.form import Request
from tinyops.firmware.forms.registry import form_of
from tinyops.images import Kind, build_image, find_self_test, sign_image
from tinyops.manifest.keys import SigningKey
from tinyops.twin.golden import read_golden

BOARD = "nano33ble-radio"
SPEC = load_catalog()[BOARD].built_with("arduino").spec
NOT_HERE = "src/arduino/hardware_mbed.cpp"
FLASH_BYTES = 1 << 20
PACKET_BYTES, CONNECT_S = 512, 20.0
IMAGE_FLAGS = tuple(flag for flag in MODEL_FLAGS if flag != "-O2")
assert SPEC.layout is not None and SPEC.settings_flash is not None
LAYOUT, UNIT = SPEC.layout, SPEC.settings_flash.program_bytes


@dataclass(frozen=True)
class PartModel:
    """A part's model as a body for this machine's core, with what its firmware promises it and how it tests itself."""

    body: bytes
    contract: dict[str, Any]
    golden: Any

    def image(self, key: SigningKey) -> bytes:
        digest = bytes.fromhex(digest_json(self.contract).removeprefix("sha256:"))
        found = build_image(
            self.body,
            kind=Kind.MODEL,
            board=BOARD,
            contract=digest,
            counter=1,
            load_address=None,
            golden=self.golden,
        )
        return sign_image(found, key)


def part_model(files: Mapping[str, Path], folder: Path) -> PartModel:
    """From a part step's outputs, by the compile step for the board's arena, and linked as a board's image is."""
    made = folder / "compiled"
    made.mkdir(parents=True)
    settings = {"cpu": "x86-64", "board": BOARD, "arena_bytes": LAYOUT.arena_bytes}
    compile_step.run(Step("compile", f"door/{BOARD}", settings), files, made, lambda _: None)
    told, contract = (json.loads((made / f"{name}.json").read_text()) for name in ("compile", "contract"))
    header, extension = header_of(told, contract), extension_of(told)
    built = folder / "built"
    built.mkdir()
    sources = with_memory(
        lay_out({p.relative_to(made).as_posix(): p for p in made.rglob("*") if p.is_file()}, built), built
    )
    front = header.header_bytes + len(extension)
    place = '__attribute__((section(".tinyops.header"))) const char'
    (built / "space.c").write_text(f"{place} tinyops_image[{front}] = {{0}};\n")
    flags = [f for f in COMMON_FLAGS if not f.startswith("-I")] + ["-I", built, "-I", built / "include"]
    objects = []
    for name in [*sources, "space.c"]:
        objects.append(built / f"{name}.o")
        extra = MEMORY_FLAGS if name == "memory.c" else ()
        _gcc([*flags, *IMAGE_FLAGS, "-DTINYOPS_IMAGE", *extra, "-c", built / name, "-o", objects[-1]])
    linked = built / "model.elf"
    link = ["-nostdlib", "-static", "-T", RUNTIME / "image/image.ld", "-Wl,--build-id=none"]
    _gcc([*link, *objects, "-o", linked])
    elf = linked.read_bytes()
    flat = bytearray(flat_bytes(elf))
    flat += bytes(-len(flat) % 4)
    entries = _header(elf, len(flat), header.contract)
    names = ("init", "push", "prepare", "invoke")
    own = replace(
        header,
        header_bytes=front,
        image_bytes=len(flat),
        **{name: getattr(entries, name) for name in names},
    )
    flat[: own.header_bytes] = own.pack() + extension
    given = read_golden(files["golden.bin"]).vectors[0]
    return PartModel(bytes(flat), contract, find_self_test(*given))


def compile_part(contract: dict[str, Any], place: ChainPlace, folder: Path) -> Path:
    """The board's program for a place of a chain, for this machine."""
    sensor = {"kind": "link"} if place.position else {"kind": "stream"}
    request = Request(BOARD, SPEC, "door", sensor, contract, chain=place)
    files = form_of(SPEC).render(request)
    kept = {name: data for name, data in files.items() if name != NOT_HERE and not name.startswith("twin/")}
    ini = next(line for line in files["platformio.ini"].decode().splitlines() if line.startswith("build_flags"))
    flags = [word for word in ini.split() if word.startswith("-DTINYOPS")]
    assert f"-D{FLAG}" in flags
    return compile_for("ARDUINO_ARCH_MBED", MBED_HOSTS, kept, folder, flags=flags)


def fresh_flash(path: Path, image: bytes, keys: tuple[SigningKey, SigningKey], device: str) -> None:
    """As enrolment and a cable leave it: who it is, and the first model."""
    content = bytearray(b"\xff" * FLASH_BYTES)
    settings = Settings(device, "door", BOARD, tuple(k.public.raw for k in keys), b"\x33" * 32, part="p1", chain="c-1")
    copy = encode_copy(encode_values(settings), 1, UNIT)
    assert LAYOUT.settings is not None
    for at, data in ((LAYOUT.settings.origin, copy), (LAYOUT.model[0].origin, image)):
        content[at : at + len(data)] = data
    path.write_bytes(content)


@dataclass
class Central:
    """The next part's radio: it connects, says how much fits into a value, and carries packets to and from a stream."""

    path: Path
    fits: int
    line: socket.socket  # where the stream is; its other end is the part's
    packets: list[int] = field(default_factory=list)  # bytes of each notification
    away: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.is_set():
            if self.away.is_set():
                time.sleep(0.01)
                continue
            air = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with contextlib.suppress(OSError), air:
                air.connect(str(self.path))
                air.send(bytes([self.fits]))
                self._carry(air)
            time.sleep(0.01)

    def _carry(self, air: socket.socket) -> None:
        while not self.over.is_set() and not self.away.is_set():
            ready, _, _ = select.select([air, self.line], [], [], 0.02)
            if air in ready:
                packet = air.recv(PACKET_BYTES)
                if not packet:
                    return
                self.packets.append(len(packet))
                self.line.sendall(packet)
            if self.line in ready:
                air.send(self.line.recv(self.fits))


@dataclass
class ArduinoPart:
    """The board with power; `cable` is its USB line."""

    process: subprocess.Popen[bytes]
    cable: socket.socket


@contextlib.contextmanager
def powered(program: Path, flash: Path, air: Path, wired: socket.socket) -> Iterator[ArduinoPart]:
    cable, theirs = socket.socketpair()
    env = {**os.environ, "FLASH": str(flash), "AIR": str(air), "SERIAL1": str(wired.fileno())}
    process = subprocess.Popen([program], stdin=theirs, stdout=theirs, env=env, pass_fds=(wired.fileno(),))
    try:
        yield ArduinoPart(process, cable)
    finally:
        process.kill()
        process.wait(20)
        for one in (cable, theirs):
            one.close()


@contextlib.contextmanager
def in_the_air(central: Central) -> Iterator[Central]:
    thread = threading.Thread(target=central.run, daemon=True)
    thread.start()
    try:
        yield central
    finally:
        central.over.set()
        thread.join(CONNECT_S)
