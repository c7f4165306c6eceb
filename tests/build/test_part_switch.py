"""A chain of parts with slots in simulated flash is given another set, and power fails in any operation of flash."""

from __future__ import annotations

import os
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from fakes.compiled import BASE, SANITIZED
from fakes.faults import report_faults
from fakes.slots import own_key, signed
from tinyops.images.definition import Golden
from tinyops.images.golden import golden_input

pytestmark = pytest.mark.build

EXHAUSTIVE = "TINYOPS_EXHAUSTIVE" in os.environ
ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
TABLE = 0x1F000000  # of run_switch.c
TENSOR = 8
PARTS = ("app", "chain", "update", "digest", "smp")
SEED = 3
HEADER = struct.Struct("<IHH13I32s")
PART = struct.Struct("<IHH16sIIIHH")
TENSORS = struct.pack("<6I", TENSOR, 0, 0xFFFFFFFF, TENSOR, 16, 0xFFFFFFFF)


def jump(model: int, entry: int) -> bytes:
    """Machine code that runs an entry point of run_switch.c's, wherever it lies: mov rax, [table]; jmp rax."""
    return (b"\x48\x8b\x04\x25" + struct.pack("<I", TABLE + 8 * (4 * model + entry)) + b"\xff\xe0").ljust(16, b"\x90")


def body(parts: int, place: int, members: int) -> bytes:
    header_bytes = HEADER.size + PART.size + len(TENSORS)
    start = -(-header_bytes // 16) * 16
    entries = [start + 16 * entry for entry in range(4)]
    part = PART.pack(0x31504F54, place, parts, bytes([0x50 + members]) * 16, TENSOR, TENSOR, 0, 1, 1)
    frames = (2, 1, 1) if place == 0 else (0, 0, 0)
    sizes = (start + 64, 64, 0, TENSOR, 16, TENSOR)
    header = HEADER.pack(0x314D4F54, 1, header_bytes, *sizes, *frames, *entries, bytes(32))
    code = b"".join(jump(3 * members + place, entry) for entry in range(4))
    return (header + part + TENSORS).ljust(start, b"\0") + code


def golden(place: int, members: int) -> Golden:
    """What run_switch.c's models make of the seeded input."""
    number, before = struct.unpack("<II", golden_input(SEED, TENSOR))
    made = (before * 31 + number * 7 + members * 1000 + place + 1) % 2**32
    return Golden(SEED, zlib.crc32(struct.pack("<II", number, made)))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("switch") / "run_switch"
    runtime = [path for part in PARTS for path in sorted((RUNTIME / part).glob("*.c"))]
    sources = [*runtime, RUNTIME / "port/sim/flash_model.c", ROOT / "tests/runtime/run_switch.c"]
    include = ["-I", RUNTIME / "include", "-I", RUNTIME / "port/sim"]
    flags = [*BASE, "-D_GNU_SOURCE", "-DTINYOPS_PART", *SANITIZED, "-O2", *include]
    subprocess.run(["gcc", *flags, *sources, "-o", made], check=True, timeout=120)
    return made


def images(parts: int, folder: Path, counters: tuple[int, int] = (1, 1)) -> list[Path]:
    (folder / "key").write_bytes(own_key(0).public.raw)
    paths = [folder / "key"]
    for place in range(parts):
        for members in range(2):
            paths.append(folder / f"image-{place}-{members}")
            code, counter = body(parts, place, members), counters[members]
            image = signed(code, counter=counter, board="board", contract=bytes(32), golden=golden(place, members))
            paths[-1].write_bytes(image)
    return paths


@pytest.mark.parametrize(
    ("parts", "first", "second"),
    [(2, 1, 67), (3, 1, 0), (3, 3, 97)] if EXHAUSTIVE else [(2, 2, 0), (2, 17, 197), (3, 13, 0)],
)
def test_power_fails_in_operations_of_a_switch(
    parts: int, first: int, second: int, program: Path, tmp_path: Path
) -> None:
    """Parts end in one set, whole, and no result is of two; where their hosts ask again they end in the new one."""
    command = [program, str(parts), str(first), str(second), *images(parts, tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600 if EXHAUSTIVE else 300)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines(keepends=True):
        if line.startswith("faults"):
            report_faults(f"{parts} parts", line)
        else:
            print(line, end="")


def test_what_the_counter_forbids_is_offered_to_nobody(program: Path, tmp_path: Path) -> None:
    """A board that comes with the old set alone takes the new one: the others hold the old one, and cannot run it."""
    command = [program, "2", "7", "0", *images(2, tmp_path, (1, 2))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
