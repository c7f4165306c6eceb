"""Runs a model image in QEMU's mps2-an386, from two addresses."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tinyops.compiler.header import ModelHeader
from tinyops.compiler.options import RUNTIME

HARNESS = Path(__file__).parents[1] / "build" / "test_compiler_image"
FLAGS = ("-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-O2", "-std=c99", "-nostdlib")
INSTRUCTIONS_PER_TICK = 40  # of a 25 MHz timer under -icount shift=0


def run_in_emulator(image: bytes, vectors: list[bytes], folder: Path) -> list[list[tuple[int, bytes]]]:
    """For each of two addresses: (instructions, output) of each vector. Instructions are 0 where the model failed."""
    data = _run(image, b"".join(vectors), folder)
    size = 4 + ModelHeader.parse(image).output_bytes
    found = [*_counted(data, size)]
    return [found[: len(vectors)], found[len(vectors) :]]


def push_in_emulator(image: bytes, frames: bytes, folder: Path) -> tuple[list[tuple[int, bytes]], int]:
    """(instructions of pushes and prepare, input tensor) of each inference that is due, and the most bytes of stack.

    The same from both addresses.
    """
    data = _run(image, frames, folder, "-DFRAMES")
    half = len(data) // 2
    first, second = ([*_counted(part[:-4], 4 + ModelHeader.parse(image).input_bytes)] for part in _halves(data))
    assert [tensor for _, tensor in first] == [tensor for _, tensor in second]
    return second, max(struct.unpack_from("<I", data, end - 4)[0] for end in (half, len(data)))


def _halves(data: bytes) -> tuple[bytes, bytes]:
    return data[: len(data) // 2], data[len(data) // 2 :]


def _counted(data: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    for start in range(0, len(data), size):
        ticks = struct.unpack_from("<I", data, start)[0]
        yield ticks * INSTRUCTIONS_PER_TICK, data[start + 4 : start + size]


def _run(image: bytes, vectors: bytes, folder: Path, *flags: str) -> bytes:
    (folder / "model.bin").write_bytes(image)
    (folder / "vectors.bin").write_bytes(vectors)
    link = ["-T", f"{HARNESS}.ld", "-I", str(RUNTIME / "include"), "-o", "harness.elf", f"{HARNESS}.c"]
    subprocess.run(["arm-none-eabi-gcc", *FLAGS, *flags, *link, "-lc", "-lgcc"], check=True, cwd=folder)
    machine = ["-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none", "-icount", "shift=0"]
    semihosting = ["-semihosting-config", "enable=on,target=native", "-kernel", "harness.elf"]
    subprocess.run(["qemu-system-arm", *machine, *semihosting], check=True, cwd=folder, timeout=300)
    return (folder / "output.bin").read_bytes()
