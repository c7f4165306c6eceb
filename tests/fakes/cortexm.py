"""Runs a model image in QEMU, from two addresses, on a machine with its core.

A Cortex-M3 has all instructions of a Cortex-M0+, so images for that run on one, too.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Machine:
    """QEMU's name, and addresses: of code, of 4 MB of data, of where the image is put, of CMSDK timer 0.

    `step` is instructions a tick of that timer under -icount shift=0.
    """

    name: str
    code_at: int
    data_at: int
    places: tuple[int, int]
    timer_at: int
    step: int


MACHINES = {
    "cortex-m3": Machine("mps2-an385", 0x0, 0x20000000, (0x21000004, 0x2118800C), 0x40000000, 40),
    "cortex-m0plus": Machine("mps2-an385", 0x0, 0x20000000, (0x21000004, 0x2118800C), 0x40000000, 40),
    "cortex-m4f": Machine("mps2-an386", 0x0, 0x20000000, (0x21000004, 0x2118800C), 0x40000000, 40),
    "cortex-m7": Machine("mps2-an500", 0x0, 0x20000000, (0x60000004, 0x6018800C), 0x40000000, 40),
    "cortex-m33": Machine("mps2-an505", 0x10000000, 0x38000000, (0x80000004, 0x8018800C), 0x50000000, 50),
}


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

    Raises CalledProcessError where the image does what its core cannot: some cores fault on unaligned accesses.
    """
    data = _run(image, b"".join(vectors), folder, cpu)
    size = 4 + ModelHeader.parse(image).output_bytes
    found = [*_counted(data, size, cpu)]
    return [found[: len(vectors)], found[len(vectors) :]]


def push_in_emulator(
    image: bytes, frames: bytes, folder: Path, cpu: str = "cortex-m4f"
) -> tuple[list[tuple[int, bytes]], int]:
    """(instructions of pushes and prepare, input tensor) of each inference that is due, and the most bytes of stack.

    The same from both addresses.
    """
    data = _run(image, frames, folder, cpu, "-DFRAMES")
    half = len(data) // 2
    size = 4 + ModelHeader.parse(image).input_bytes
    first, second = ([*_counted(part[:-4], size, cpu)] for part in (data[:half], data[half:]))
    assert [tensor for _, tensor in first] == [tensor for _, tensor in second]
    return second, max(struct.unpack_from("<I", data, end - 4)[0] for end in (half, len(data)))


def _counted(data: bytes, size: int, cpu: str) -> Iterator[tuple[int, bytes]]:
    for start in range(0, len(data), size):
        ticks = struct.unpack_from("<I", data, start)[0]
        yield ticks * MACHINES[cpu].step, data[start + 4 : start + size]


def _run(image: bytes, vectors: bytes, folder: Path, cpu: str, *flags: str) -> bytes:
    machine = MACHINES[cpu]
    (folder / "model.bin").write_bytes(image)
    (folder / "vectors.bin").write_bytes(vectors)
    symbols = {"code_at": machine.code_at, "data_at": machine.data_at, "timer": machine.timer_at}
    symbols |= dict(zip(("place_a", "place_b"), machine.places, strict=True))
    link = ["-T", f"{HARNESS}.ld", *(f"-Wl,--defsym={name}={value:#x}" for name, value in symbols.items())]
    traps = ["-DTRAP_UNALIGNED"] if cpu in V6M_CPUS else []
    command = ["arm-none-eabi-gcc", *CPU_FLAGS[cpu], *FLAGS, *flags, *traps, *link, "-I", str(RUNTIME / "include")]
    subprocess.run([*command, "-o", "harness.elf", f"{HARNESS}.c", "-lc", "-lgcc"], check=True, cwd=folder)
    options = ["-M", machine.name, "-display", "none", "-monitor", "none", "-serial", "none", "-icount", "shift=0"]
    semihosting = ["-semihosting-config", "enable=on,target=native", "-kernel", "harness.elf"]
    subprocess.run(["qemu-system-arm", *options, *semihosting], check=True, cwd=folder, timeout=300)
    return (folder / "output.bin").read_bytes()
