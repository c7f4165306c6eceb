"""Runs a model image in QEMU's mps2-an386, from two addresses."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from tinyops.compiler.header import ModelHeader
from tinyops.compiler.options import RUNTIME

HARNESS = Path(__file__).parents[1] / "build" / "test_compiler_image"
FLAGS = ("-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-O2", "-std=c99", "-nostdlib")
INSTRUCTIONS_PER_TICK = 40  # of a 25 MHz timer under -icount shift=0


def run_in_emulator(image: bytes, vectors: list[bytes], folder: Path) -> list[list[tuple[int, bytes]]]:
    """For each of two addresses: (instructions, output) of each vector. Instructions are 0 where the model failed."""
    (folder / "model.bin").write_bytes(image)
    (folder / "vectors.bin").write_bytes(b"".join(vectors))
    link = ["-T", f"{HARNESS}.ld", "-I", str(RUNTIME / "include"), "-o", "harness.elf", f"{HARNESS}.c"]
    subprocess.run(["arm-none-eabi-gcc", *FLAGS, *link, "-lc", "-lgcc"], check=True, cwd=folder)
    machine = ["-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none", "-icount", "shift=0"]
    semihosting = ["-semihosting-config", "enable=on,target=native", "-kernel", "harness.elf"]
    subprocess.run(["qemu-system-arm", *machine, *semihosting], check=True, cwd=folder, timeout=300)
    data = (folder / "output.bin").read_bytes()
    size = 4 + ModelHeader.parse(image).output_bytes
    found = []
    for start in range(0, len(data), size):
        ticks = struct.unpack_from("<I", data, start)[0]
        found.append((ticks * INSTRUCTIONS_PER_TICK, data[start + 4 : start + size]))
    return [found[: len(vectors)], found[len(vectors) :]]
