"""A device that updates itself, as a program on this machine (tests/runtime/update): built, flashed, started, reached.

    program = build_device(folder)
    with UpdateDevice(folder, program, key).started(udp=True) as device:
        device.port, device.udp_port, device.tcp_port

Its models are position-independent code for this machine, made by the same steps as a board's: `model_body`.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import struct
import subprocess
import time
import tty
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from fakes.compiled import BASE, SANITIZED
from tinyops.compiler.header import HEADER_BYTES, MAGIC, ModelHeader
from tinyops.compiler.image.elf import flat_bytes
from tinyops.device.provision.format import Settings, encode_copy, encode_values
from tinyops.firmware.fetched import signature_sources
from tinyops.images import Golden, Kind, build_image, golden_input, sign_image
from tinyops.manifest.keys import SigningKey
from tinyops.specs.lock import SOURCES

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
DEVICE = ROOT / "tests/runtime/update"
BOARD = "desk"
CONTRACT = bytes(range(32))
OTHER_CONTRACT = bytes(range(32, 64))
TEXT = b"firmware of the device on the desk: "
# As in layout.h: offsets in the file.
ORIGIN = 0x10000000
FLASH_BYTES = 0x74000
FIRMWARE = (0x10000, 0x20000)
MODEL = (0x30000, 0x50000)
SLOT_BYTES = {Kind.FIRMWARE: 0x10000, Kind.MODEL: 0x20000}
SETTINGS, SETTINGS_BYTES = 0x70000, 0x2000
INPUT_BYTES, SEED = 8, 7
START_TIMEOUT_S = 30
MODEL_FLAGS = ("-O2", "-ffreestanding", "-fpie", "-fvisibility=hidden", "-fcf-protection=none", "-fno-stack-protector")
BEHIND = struct.Struct("<III")  # operations, cut_at, cuts: the end of the file


_built: dict[bool, Path] = {}  # in this process; under pytest, folders live as long


def build_device(folder: Path, *, sanitized: bool = True) -> Path:
    """The program, in `folder` or where it was built before. The signature's library is fetched as the lock pins it."""
    if sanitized not in _built or not _built[sanitized].is_file():
        _built[sanitized] = _build(folder, sanitized)
    return _built[sanitized]


def _build(folder: Path, sanitized: bool) -> Path:
    for name, data in signature_sources(SOURCES, lambda _: None).items():
        (folder / name).write_bytes(data)
    flags = SANITIZED if sanitized else ("-O2", "-g")
    library, made = folder / "monocypher.o", folder / "device"
    _gcc(["-std=c99", *flags, "-fno-sanitize=shift", "-c", folder / "monocypher.c", "-o", library])
    sources = [RUNTIME / "boot/table.c", RUNTIME / "port/sim/flash_model.c", DEVICE / "device.c", DEVICE / "links.c"]
    for name in ("app", "smp", "settings", "digest", "signature", "update", "delta"):
        sources += sorted((RUNTIME / name).glob("*.c"))
    include: list[str | Path] = []
    for place in (RUNTIME / "include", RUNTIME / "signature", RUNTIME / "port/sim", DEVICE):
        include += ["-I", place]
    _gcc([*BASE, *flags, *include, "-isystem", folder, *sources, library, "-o", made])
    return made


def _gcc(arguments: list[Any]) -> None:
    subprocess.run(["gcc", *arguments], check=True, timeout=120)


def model_body(folder: Path, *, mark: int = 0, fault: int = 0, filling: int = 0, contract: bytes = CONTRACT) -> bytes:
    """A model of tests/runtime/update/model.c, as a board's slot holds one."""
    space = folder / "space.c"
    text = f'__attribute__((section(".tinyops.header"))) const char tinyops_image[{HEADER_BYTES}] = {{0}};\n'
    space.write_text(text)
    macros = [f"-DMARK={mark}", f"-DFAULT={fault}", f"-DFILLING={filling}", "-I", RUNTIME / "include"]
    link = ["-nostdlib", "-static", "-T", RUNTIME / "image/image.ld", "-Wl,--build-id=none"]
    made = folder / "model.elf"
    _gcc([*BASE, *MODEL_FLAGS, *macros, *link, space, DEVICE / "model.c", RUNTIME / "image/memory.c", "-o", made])
    elf = made.read_bytes()
    flat = bytearray(flat_bytes(elf))
    flat += bytes(-len(flat) % 4)
    flat[:HEADER_BYTES] = _header(elf, len(flat), contract).pack()
    return bytes(flat)


def _header(elf: bytes, image_bytes: int, contract: bytes) -> ModelHeader:
    symbols: Any = ELFFile(io.BytesIO(elf)).get_section_by_name(".symtab")
    entries = [symbols.get_symbol_by_name(f"tinyops_model_{name}")[0]["st_value"] for name in _ENTRIES]
    sizes = (28, 0, INPUT_BYTES, INPUT_BYTES, INPUT_BYTES, 2, 4, 2)
    return ModelHeader(MAGIC, 1, HEADER_BYTES, image_bytes, *sizes, *entries, contract)


_ENTRIES = ("init", "push", "prepare", "invoke")


def golden(mark: int = 0) -> Golden:
    """The self-test that a model of this mark passes."""
    import zlib

    given = golden_input(SEED, INPUT_BYTES)
    return Golden(SEED, zlib.crc32(bytes((byte + mark) % 256 for byte in reversed(given))))


def model_image(
    body: bytes,
    key: SigningKey | None,
    *,
    mark: int = 0,
    test: Golden | None = None,
    contract: bytes = CONTRACT,
    counter: int = 0,
    board: str = BOARD,
) -> bytes:
    """An image of a model, unsigned without a key; `test` in place of the self-test that its mark passes."""
    found = build_image(
        body, kind=Kind.MODEL, board=board, contract=contract, counter=counter, golden=test or golden(mark)
    )
    return sign_image(found, key) if key else found


def firmware_image(
    key: SigningKey | None,
    *,
    slot: int,
    behaves: str = "g",
    name: str = "",
    contract: bytes = CONTRACT,
    counter: int = 0,
    board: str = BOARD,
) -> bytes:
    """An image of a firmware for a slot; see device.c for how it may behave."""
    body = TEXT + behaves.encode() + name.encode().ljust(64, b"\0")
    place = ORIGIN + FIRMWARE[slot]
    found = build_image(body, kind=Kind.FIRMWARE, board=board, contract=contract, counter=counter, load_address=place)
    return sign_image(found, key) if key else found


def settings_of(key: SigningKey, board: str = BOARD) -> Settings:
    """What the device is told once. The spare key signs nothing."""
    spare = bytes(reversed(key.public.raw))
    return Settings("d1", "wrist", board, (key.public.raw, spare), report_public_key=bytes(32))


@dataclass
class UpdateDevice:
    """The device's file and how it is started. A key that is None: it was not enrolled."""

    folder: Path
    program: Path
    key: SigningKey | None
    geometry: tuple[int, int] = (4096, 4)
    board: str = BOARD
    options: tuple[str, ...] = ()
    port: str = ""
    udp_port: int = 0
    tcp_port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def file(self) -> Path:
        return self.folder / "flash.bin"

    @property
    def log(self) -> str:
        """What it said on standard error, at each of its starts."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def starts(self) -> int:
        return self.log.count("start: firmware")

    def flash(self, model: bytes | None, firmware: bytes | None = None) -> None:
        """What a cable writes: all of flash; who it is, and the images of slot 0."""
        content = bytearray(b"\xff" * FLASH_BYTES)
        first = firmware or firmware_image(self.key, slot=0, board=self.board)
        for at, image in ((FIRMWARE[0], first), (MODEL[0], model or b"")):
            content[at : at + len(image)] = image
        if self.key is not None:
            copy = encode_copy(encode_values(settings_of(self.key, self.board)), 1, self.geometry[1])
            content[SETTINGS : SETTINGS + len(copy)] = copy
        self.file.write_bytes(content)

    @contextlib.contextmanager
    def started(self, *, serial: bool = True, udp: bool = False, tcp: bool = False) -> Iterator[UpdateDevice]:
        """Runs it, with these links, until it is ready and then until the end of the block."""
        with contextlib.ExitStack() as stack:
            words = [str(self.program), str(self.file), "--board", self.board]
            words += ["--geometry", f"{self.geometry[0]}:{self.geometry[1]}", *self.options]
            words += ["--udp", "0"] if udp else []
            words += ["--tcp", "0"] if tcp else []
            passed: tuple[int, ...] = ()
            if serial:
                far, near = os.openpty()
                tty.setraw(near)
                stack.callback(os.close, near)
                stack.callback(os.close, far)
                self.port, passed = os.ttyname(near), (far,)
                words += ["--line", str(far)]
            log = stack.enter_context((self.folder / "log").open("wb"))
            self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, pass_fds=passed)
            stack.callback(self._end)
            self._wait()
            yield self

    def _wait(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        words = self.process.stdout.readline().split()
        if not words:
            self.process.wait(START_TIMEOUT_S)
            raise AssertionError(f"it ended with {self.process.returncode}: {self.log}")
        self.udp_port, self.tcp_port = int(words[1]), int(words[2])

    def _end(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        self.process.kill()
        self.process.wait(START_TIMEOUT_S)
        self.process.stdout.close()

    def crash(self) -> None:
        """What runs meets a fault, and the device starts again."""
        assert self.process is not None
        before = self.starts
        self.process.send_signal(signal.SIGSEGV)
        end = time.monotonic() + START_TIMEOUT_S
        while self.starts == before:
            assert time.monotonic() < end and self.process.poll() is None, self.log
            time.sleep(0.01)

    @property
    def operations(self) -> int:
        """Units programmed and sectors erased so far."""
        return int(BEHIND.unpack(self.file.read_bytes()[-BEHIND.size :])[0])

    def cut_at(self, operation: int) -> None:
        """Power fails within the operation of flash of that number; 0: never."""
        with self.file.open("r+b") as stream:
            stream.seek(-BEHIND.size + 4, os.SEEK_END)
            stream.write(struct.pack("<I", operation))
