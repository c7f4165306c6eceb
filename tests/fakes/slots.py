"""Devices on simulated flash in C: their programs, layouts and images."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from fakes.compiled import BASE, SANITIZED
from tinyops.boards.layout import Memory
from tinyops.firmware.fetched import signature_sources
from tinyops.images import Golden, Kind, build_image, sign_image
from tinyops.images.delta import make_delta
from tinyops.manifest.keys import SigningKey
from tinyops.specs.lock import SOURCES

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
BOARD, CONTRACT = "board", bytes(32)
RECORD_BYTES = 156


@dataclass(frozen=True)
class Layout:
    """A flash's facts, and slots in it: origins of the two and bytes of each."""

    name: str
    flash: tuple[int, int, int, int, int]  # origin, bytes, sector, unit, programs between two erases
    firmware: tuple[int, int, int]
    model: tuple[int, int, int]
    state: tuple[int, int]

    @property
    def arguments(self) -> list[str]:
        return [str(n) for n in (*self.flash, *self.firmware, *self.model, *self.state)]


KIB = 1024
# As the boards' catalogue entries have them or, where they have no slots of ours, as they could.
MICROBIT = Layout(
    "micro:bit",
    (0, 256 * KIB, 1024, 4, 1),
    (0x5000, 0xD000, 32 * KIB),
    (0x15000, 0x2A000, 84 * KIB),
    (0x3F800, 2 * KIB),
)
NANO = Layout(
    "nano33ble",
    (0, 1024 * KIB, 4096, 4, 2),
    (0x14000, 0x30000, 112 * KIB),
    (0x4C000, 0x9E000, 328 * KIB),
    (0xF2000, 8 * KIB),
)
PICO = Layout(
    "pico",
    (0x10000000, 2048 * KIB, 4096, 256, 1),
    (0x10006000, 0x10023000, 116 * KIB),
    (0x10040000, 0x10110000, 832 * KIB),
    (0x101FC000, 8 * KIB),
)
STM32 = Layout(
    "STM32H7",
    (0x08000000, 2048 * KIB, 128 * KIB, 32, 1),
    (0x08000000, 0x08020000, 128 * KIB),
    (0x08040000, 0x08100000, 768 * KIB),
    (0x081C0000, 256 * KIB),
)
AVR = Layout(
    "an AVR's self-programming",
    (0, 128 * KIB, 256, 2, 1),
    (0x1000, 0x5000, 16 * KIB),
    (0x9000, 0xD000, 16 * KIB),
    (0x11000, 512),
)
BOARDS = (MICROBIT, NANO, PICO, STM32, AVR)


def small_layout(erase: int, unit: int, programs: int) -> Layout:
    """Slots of 2 KB, or of one sector; the log of as few sectors as hold a record."""
    slot = -(-2048 // erase) * erase
    half = -(-max(RECORD_BYTES, -(-RECORD_BYTES // unit) * unit) // erase) * erase
    at = [0x4000000 + i * slot for i in range(4)]
    state = 0x4000000 + 4 * slot
    flash = (0x4000000, 4 * slot + 2 * half, erase, unit, programs)
    return Layout(f"{erase}/{unit}/{programs}", flash, (*at[:2], slot), (*at[2:], slot), (state, 2 * half))


def catalogue_layouts() -> list[Layout]:
    """One of each kind of flash that the catalogue describes."""
    found = set()
    for path in sorted((ROOT / "board_catalog").glob("*.yaml")):
        document = YAML(typ="safe").load(path)
        memory = document["spec"].get("memory")
        for flash in () if memory is None else TypeAdapter(Memory).validate_python(memory).flash:
            times = 1 if flash.reprogram == "never" else min(flash.reprogram, 200)
            found.add((flash.erase_bytes, flash.program_bytes, times))
    return [small_layout(*facts) for facts in sorted(found)]


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tinyops-slots-")


@functools.cache
def slots_program(name: str) -> Path:
    """tests/runtime/NAME.c with the slot library, under sanitizers."""
    folder = Path(_folder().name)
    for file, data in signature_sources(SOURCES, lambda _: None).items():
        (folder / file).write_bytes(data)
    made = folder / name
    plain = [(folder / "monocypher.c", []), (RUNTIME / "port/sim/flash_model.c", ["-O3"])]
    objects = [folder / f"{source.stem}.o" for source, _ in plain]
    for (source, flags), made_object in zip(plain, objects, strict=True):
        if not made_object.exists():
            subprocess.run(["gcc", "-std=c99", "-O2", *flags, "-c", source, "-o", made_object], check=True, timeout=60)
    runtime = [file for part in ("update", "digest", "signature") for file in sorted((RUNTIME / part).glob("*.c"))]
    runtime.append(RUNTIME / "delta/delta.c")
    own = [ROOT / "tests/runtime" / f"{file}.c" for file in (name, "slots_device")]
    include = [a for part in ("include", "port/sim", "signature") for a in ("-I", RUNTIME / part)]
    flags = [*BASE, *SANITIZED, "-O2", *include, "-isystem", folder]
    subprocess.run(["gcc", *flags, *runtime, *own, *objects, "-o", made], check=True, timeout=120)
    return made


@functools.cache
def own_key(number: int) -> SigningKey:
    return SigningKey.generate()


def signed(
    body: bytes,
    *,
    origin: int | None = None,
    counter: int = 1,
    key: SigningKey | None = None,
    board: str = BOARD,
    contract: bytes = CONTRACT,
    golden: Golden | None = None,
) -> bytes:
    """An image: of a firmware with an origin, of a model without."""
    kind = Kind.MODEL if origin is None else Kind.FIRMWARE
    image = build_image(
        body, kind=kind, board=board, contract=contract, counter=counter, load_address=origin, golden=golden
    )
    return sign_image(image, key or own_key(0))


def body_of(count: int, seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(count)


def filling(slot: int, seed: int, *, origin: int | None = None, counter: int = 1) -> bytes:
    """An image that fills a slot to its last byte."""
    rest = len(signed(b"x", origin=origin)) - 1
    return signed(body_of(slot - rest, seed), origin=origin, counter=counter)


def write_files(layout: Layout, folder: Path, *, full: bool, image: int) -> list[Path]:
    """Key and the 8 images of slots_cuts.c; with `full` the new one of `image` fills its slot."""
    paths = [folder / "key"]
    paths[0].write_bytes(own_key(0).public.raw)
    for number, slots in enumerate((layout.firmware, layout.model)):
        for slot in range(2):
            for version in range(2):
                origin, seed = slots[slot] if number == 0 else None, 10 * number + version
                if full and version == 1 and number == image:
                    data = filling(slots[2], seed, origin=origin, counter=version + 1)
                else:
                    data = signed(body_of(45 + 30 * version, seed), origin=origin, counter=version + 1)
                paths.append(folder / f"image-{number}-{slot}-{version}")
                paths[-1].write_bytes(data)
    return paths


def write_delta_files(layout: Layout, folder: Path, *, full: bool, image: int) -> list[Path]:
    """The same, and behind them the delta from the old one of `image` in slot 0 to the new one in slot 1, which differs
    by some bytes, and by others that it has more."""
    paths = write_files(layout, folder, full=False, image=image)
    slots = (layout.firmware, layout.model)[image]
    most = len(filling(slots[2], 1, origin=slots[0] if image == 0 else None))
    old_body = body_of(most - 1024 if full else 600, 7)
    for slot in range(2):
        for version, body in enumerate((old_body, changed(old_body, 24))):
            data = signed(body, origin=slots[slot] if image == 0 else None, counter=version + 1)
            paths[1 + 4 * image + 2 * slot + version].write_bytes(data)
    old, new = (paths[1 + 4 * image + at].read_bytes() for at in (0, 3))
    paths.append(folder / "delta")
    paths[-1].write_bytes(make_delta(old, new, where="the new image"))
    return paths


def changed(body: bytes, inserted: int) -> bytes:
    """Every 50th byte is another one, and some come in between."""
    found = bytearray(body)
    found[::50] = bytes((byte + 3) % 256 for byte in found[::50])
    middle = len(body) // 2
    return bytes(found[:middle]) + body_of(inserted, 99) + bytes(found[middle:])
