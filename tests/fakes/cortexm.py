"""Runs a model image in QEMU's mps2-an386, from two addresses.

Its Cortex-M4F has all instructions of a Cortex-M0+, so images for that run there, too.
"""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from tinyops.compiler.compiled import CompiledModel
from tinyops.compiler.header import ModelHeader
from tinyops.compiler.host import write_sources
from tinyops.compiler.image.assembly import header_assembly
from tinyops.compiler.image.build import build_image
from tinyops.compiler.ops.lanes import V6M_CPUS
from tinyops.compiler.options import RUNTIME
from tinyops.toolchain import CPU_FLAGS, installed

HARNESS = Path(__file__).parents[1] / "build" / "test_compiler_image"
FLAGS = ("-O2", "-std=c99", "-nostdlib")
INSTRUCTIONS_PER_TICK = 40  # of a 25 MHz timer under -icount shift=0


def emulate(compiled: CompiledModel, vectors: list[bytes], folder: Path) -> list[tuple[int, bytes]]:
    """(instructions, output) of the model's image at the second of two odd addresses, for each vector."""
    cpu = compiled.options.cpu
    sources = [p.relative_to(folder).as_posix() for p in write_sources(compiled.sources, folder)]
    image, _ = build_image(sources, header_assembly(compiled.header), cpu, installed("arm-none-eabi-gcc"), folder)
    here, there = run_in_emulator(image, vectors, folder, cpu)
    assert [output for _, output in here] == [output for _, output in there]
    return there


def run_in_emulator(
    image: bytes, vectors: list[bytes], folder: Path, cpu: str = "cortex-m4f"
) -> list[list[tuple[int, bytes]]]:
    """For each of two addresses: (instructions, output) of each vector. Instructions are 0 where the model failed.

    Raises CalledProcessError where the image does what its core cannot: some cores fault on unaligned accesses."""
    (folder / "model.bin").write_bytes(image)
    (folder / "vectors.bin").write_bytes(b"".join(vectors))
    link = ["-T", f"{HARNESS}.ld", "-I", str(RUNTIME / "include"), "-o", "harness.elf", f"{HARNESS}.c"]
    flags = [*CPU_FLAGS[cpu], *FLAGS, *(["-DTRAP_UNALIGNED"] if cpu in V6M_CPUS else [])]
    subprocess.run(["arm-none-eabi-gcc", *flags, *link, "-lc", "-lgcc"], check=True, cwd=folder)
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
