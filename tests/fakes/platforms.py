"""Compiled models on every architecture: built with its own compiler, run in its emulator, many at a time."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tinyops.compiler.arrays import arrays_of, external_names
from tinyops.compiler.compiled import CompiledModel
from tinyops.compiler.host import write_sources
from tinyops.compiler.image.build import MEMORY_FLAGS, MEMORY_SOURCE
from tinyops.compiler.options import RUNTIME
from tinyops.toolchain import CPU_FLAGS

HERE = Path(__file__).parents[1] / "runtime" / "platform"
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion")
OPTIMISED = ("-std=c99", "-O2", "-ffunction-sections", "-fdata-sections")
FREESTANDING = ("-ffreestanding", "-fbuiltin", "-I", str(RUNTIME / "image" / "freestanding"))
RUN_TIMEOUT_S = 300
CASES_A_FILE = 16
STATIC = re.compile(r"^static (?:inline )?(?:const )?\w+[ *]+(\w+)(?=[(\[]| =)", re.MULTILINE)
MACRO = re.compile(r"^#define (\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Platform:
    """How models are built for an architecture and where they run.

    `programs` must be on PATH. `code_bytes` and `ram_bytes` are what one program may have of each.
    """

    name: str
    cpu: str  # of CPU_FLAGS and of compile options
    where: str  # in words, for the documentation
    compiler: str
    port: str  # source below tests/runtime/platform
    flags: tuple[str, ...]
    link: tuple[str, ...]
    run: tuple[str, ...]
    code_bytes: int = 4 << 20
    ram_bytes: int = 4 << 20

    @property
    def programs(self) -> tuple[str, ...]:
        return (self.compiler, self.run[0]) if self.run[0] != "./program" else (self.compiler,)


def _emulated(name: str, cpu: str, machine: str, code: tuple[int, int], ram: tuple[int, int]) -> Platform:
    """A Cortex-M or RISC-V machine of QEMU's; `code` and `ram` are (address, bytes)."""
    riscv = cpu == "riscv32"
    places = zip(("CODE_AT", "CODE_BYTES", "RAM_AT", "RAM_BYTES"), (*code, *ram), strict=True)
    defined = tuple(f"-Wl,--defsym={key}={value:#x}" for key, value in places)
    emulator = "qemu-system-riscv32" if riscv else "qemu-system-arm"
    options = ("-display", "none", "-monitor", "none", "-serial", "none", "-nic", "none")
    return Platform(
        name=name,
        cpu=cpu,
        where=f"QEMU {machine}",
        compiler="riscv64-unknown-elf-gcc" if riscv else "arm-none-eabi-gcc",
        port="semihosting.c",
        flags=(*OPTIMISED, *FREESTANDING, *(("-mcmodel=medany", "-mno-relax") if riscv else ())),
        link=("-nostdlib", "-static", "-T", str(HERE / "semihosting.ld"), *defined, "-Wl,--gc-sections"),
        run=(
            *(emulator, "-M", machine, *(("-bios", "none") if riscv else ()), *options),
            *("-semihosting-config", "enable=on,target=native", "-kernel", "program"),
        ),
        code_bytes=code[1],
        ram_bytes=ram[1],
    )


MPS2 = ((0x0, 4 << 20), (0x20000000, 4 << 20))
_ALL = (
    Platform("x86-64", "x86-64", "this machine", "gcc", "hosted.c", OPTIMISED, (), ("./program",)),
    Platform(
        *("aarch64", "aarch64", "QEMU, a Linux process", "aarch64-linux-gnu-gcc", "hosted.c"),
        *(OPTIMISED, ("-static",), ("qemu-aarch64", "./program")),
    ),
    _emulated("cortex-m0", "cortex-m0", "microbit", (0x0, 256 << 10), (0x20000000, 16 << 10)),
    # QEMU has no machine with a Cortex-M0+: a Cortex-M3 runs all its instructions.
    _emulated("cortex-m0plus", "cortex-m0plus", "mps2-an385", *MPS2),
    _emulated("cortex-m3", "cortex-m3", "mps2-an385", *MPS2),
    _emulated("cortex-m4f", "cortex-m4f", "mps2-an386", *MPS2),
    _emulated("cortex-m7", "cortex-m7", "mps2-an500", *MPS2),
    _emulated("cortex-m33", "cortex-m33", "mps2-an505", (0x10000000, 4 << 20), (0x38000000, 4 << 20)),
    _emulated("riscv32", "riscv32", "virt", (0x80000000, 32 << 20), (0x82000000, 32 << 20)),
    Platform(
        *("wasm32", "wasm32", "Node.js", "clang", "wasm.c", (*OPTIMISED, *FREESTANDING)),
        *(("-nostdlib", "-Wl,--no-entry"), ("node", str(HERE / "run_wasm.js"), "program")),
    ),
    Platform(
        *("avr", "avr", "simavr, an ATmega2560", "avr-gcc", "avr.c"),
        *(
            ("-std=gnu99", "-Os", "-ffunction-sections", "-fdata-sections", "-Waddr-space-convert"),
            ("-Wl,--gc-sections",),
        ),
        run=("simavr", "-m", "atmega2560", "-f", "16000000", "program"),
        code_bytes=256 << 10,
        ram_bytes=8 << 10,
    ),
)
PLATFORMS: Mapping[str, Platform] = {platform.name: platform for platform in _ALL}


def needs(platform: Platform) -> None:
    """Skips, naming what is missing; in CI that is a failure."""
    missing = [program for program in platform.programs if shutil.which(program) is None]
    if not missing:
        return
    message = f"{platform.name}: {' and '.join(missing)} is not on PATH: run `make setup`"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@dataclass(frozen=True)
class Case:
    """A model compiled for a platform's cpu, and the vectors that it is fed, as they lie in its arena."""

    compiled: CompiledModel
    vectors: Sequence[bytes]

    @property
    def code_bytes(self) -> int:
        """About what it takes of a program's flash."""
        return self.compiled.weights_bytes + sum(map(len, self.vectors)) + 200 * len(self.compiled.graph.operators)

    @property
    def table_bytes(self) -> int:
        """About what its header and its operators' parameters take of RAM on AVR, which copies all constants there
        that are not read from flash."""
        copied = sum(a.bytes for a in arrays_of(self.compiled.graph, self.compiled.lowered) if not a.in_flash)
        return 110 + 100 * len(self.compiled.graph.operators) + copied


def fits(platform: Platform, cases: Sequence[Case]) -> bool:
    """Whether one program may hold these cases, with a quarter of its memories for the rest of it."""
    tables = sum(case.table_bytes for case in cases) if platform.cpu == "avr" else 0
    arena = max(case.compiled.arena.bytes for case in cases)
    code = sum(case.code_bytes for case in cases)
    return 4 * (arena + tables) <= 3 * platform.ram_bytes and 4 * code <= 3 * platform.code_bytes


def run_cases(platform: Platform, cases: Sequence[Case]) -> list[list[bytes]]:
    """The outputs of each case, one bytes a vector; as few programs as the platform's memory allows."""
    objects = _shared(platform).objects(cases)
    found: list[list[bytes]] = []
    for batch in _batches(platform, cases):
        with tempfile.TemporaryDirectory(prefix="tinyops-platform-") as folder:
            found += _run_batch(platform, batch, Path(folder), objects)
    return found


def _batches(platform: Platform, cases: Sequence[Case]) -> Iterator[Sequence[Case]]:
    batch: list[Case] = []
    for case in cases:
        if batch and not fits(platform, [*batch, case]):
            yield batch
            batch = []
        batch.append(case)
    if batch:
        yield batch


def _run_batch(platform: Platform, cases: Sequence[Case], folder: Path, objects: Sequence[Path]) -> list[list[bytes]]:
    texts = [_case_text(number, case, folder) for number, case in enumerate(cases)]
    names = ["cases.c", "run.c"]
    for first in range(0, len(texts), CASES_A_FILE):
        names.append(f"from{first}.c")
        text = "\n".join(texts[first : first + CASES_A_FILE])
        (folder / names[-1]).write_text(f'#include "platform.h"\n{text}')
    (folder / "cases.c").write_text(_table(cases))
    shutil.copy(HERE / "run.c", folder / "run.c")
    arena = max(case.compiled.arena.bytes for case in cases)
    compile_all(platform, names, folder, (f"-DPLATFORM_ARENA_BYTES={arena}u",))
    _link(platform, names, objects, folder)
    return _split(cases, _execute(platform, folder))


def run_program(platform: Platform, texts: Mapping[str, str], runtime: Sequence[str]) -> bytes:
    """What a program of the platform puts out: C files by name, one of which has platform_run, and sources of the
    runtime."""
    objects = _shared(platform).built(runtime)
    with tempfile.TemporaryDirectory(prefix="tinyops-platform-") as name:
        folder = Path(name)
        for file, text in texts.items():
            (folder / file).write_text(text)
        sources = [file for file in texts if file.endswith(".c")]
        compile_all(platform, sources, folder)
        _link(platform, sources, objects, folder)
        return _execute(platform, folder)


def _link(platform: Platform, sources: Sequence[str], objects: Sequence[Path], folder: Path) -> None:
    inside = [name.replace(".c", ".o") for name in sources]
    tail = () if platform.cpu == "wasm32" else ("-lgcc",)
    command = [platform.compiler, *CPU_FLAGS[platform.cpu], *platform.flags, *platform.link, *inside]
    _call([*command, *map(str, objects), *tail, "-o", "program"], folder)


def _execute(platform: Platform, folder: Path) -> bytes:
    done = subprocess.run(platform.run, cwd=folder, capture_output=True, timeout=RUN_TIMEOUT_S, check=False)
    said = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
    if platform.cpu == "avr":
        lines = re.findall(r"^(?:\x1b\[[0-9;]*m)*([0-9a-f]+|ok|failed)\.*\s*(?:\x1b\[0m)?$", said, flags=re.MULTILINE)
        assert lines[-1:] == ["ok"], said[-500:]
        return bytes.fromhex("".join(lines[:-1]))
    assert done.returncode == 0, f"{platform.name}: exit status {done.returncode}: {said[-500:]}"
    return done.stdout if platform.port == "hosted.c" else (folder / "outputs.bin").read_bytes()


def _split(cases: Sequence[Case], data: bytes) -> list[list[bytes]]:
    found, at = [], 0
    for case in cases:
        size = case.compiled.header.output_bytes
        regions = (data[at + i * size : at + (i + 1) * size] for i in range(len(case.vectors)))
        found.append([_outputs(case.compiled, region) for region in regions])
        at += size * len(case.vectors)
    assert at == len(data), f"{len(data)} bytes of outputs, expected {at}"
    return found


def _outputs(compiled: CompiledModel, region: bytes) -> bytes:
    """The output tensors one after another, of the arena's bytes from the first of them to the last."""
    spans = [compiled.arena.tensors[tensor] for tensor in compiled.graph.outputs]
    places = [(span.offset - compiled.header.output_offset, span.bytes) for span in spans]
    return b"".join(region[at : at + size] for at, size in places)


def _case_text(number: int, case: Case, folder: Path) -> str:
    """C that includes the case's own sources under names of its own: starting a compiler costs more than a case."""
    compiled, place = case.compiled, f"case{number}"
    own = {name: text for name, text in compiled.sources.items() if "/" not in name}
    write_sources(own, folder / place)
    names = external_names(compiled.graph, compiled.lowered)
    names += [name for text in own.values() for name in STATIC.findall(text)]
    macros = [name for text in own.values() for name in MACRO.findall(text)]
    inputs = ", ".join(map(str, b"".join(case.vectors)))
    return "".join(
        [
            *(f"#define {name} {place}_{name}\n" for name in names),
            *(f'#include "{place}/{name}"\n' for name in sorted(own, reverse=True) if name.endswith(".c")),
            f"const TINYOPS_FLASH uint8_t {place}_inputs[] = {{{inputs}}};\n",
            *(f"#undef {name}\n" for name in dict.fromkeys([*names, *macros])),
        ]
    )


def _table(cases: Sequence[Case]) -> str:
    declared, rows = [], []
    for number, case in enumerate(cases):
        name = f"case{number}"
        declared.append(
            f"extern const tinyops_model_header {name}_tinyops_model;\n"
            f"int32_t {name}_tinyops_model_init(void *arena);\nint32_t {name}_tinyops_model_invoke(void *arena);\n"
            f"extern const TINYOPS_FLASH uint8_t {name}_inputs[];\n"
        )
        members = (f"&{name}_tinyops_model", f"{name}_tinyops_model_init", f"{name}_tinyops_model_invoke")
        rows.append(f"  {{{', '.join(members)}, {name}_inputs, {len(case.vectors)}}},\n")
    table = f"const platform_case platform_cases[] = {{\n{''.join(rows)}}};\n"
    count = f"const uint16_t platform_case_count = {len(cases)};\n"
    return f'#include "platform.h"\n\n{"".join(declared)}\n{table}{count}'


class _Shared:
    """Objects of the kernels and of the port, each built once a process."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._folder = tempfile.TemporaryDirectory(prefix="tinyops-kernels-")
        self._built: set[str] = set()

    def objects(self, cases: Sequence[Case]) -> list[Path]:
        names = {name for case in cases for name in case.compiled.sources if "/" in name and name.endswith(".c")}
        return self.built(names)

    def built(self, runtime: Collection[str]) -> list[Path]:
        """Of sources below runtime/, of the port, and of the memory functions where there is no C library."""
        sources = {Path(name).name: RUNTIME / name for name in runtime}
        sources[self._platform.port] = HERE / self._platform.port
        if "-ffreestanding" in self._platform.flags:
            sources[MEMORY_SOURCE] = RUNTIME / "image" / MEMORY_SOURCE
        folder, missing = Path(self._folder.name), sorted(set(sources) - self._built)
        for name in missing:
            shutil.copy(sources[name], folder / name)
        compile_all(self._platform, [name for name in missing if name != MEMORY_SOURCE], folder)
        if MEMORY_SOURCE in missing:
            clang = self._platform.compiler == "clang"
            compile_all(self._platform, [MEMORY_SOURCE], folder, MEMORY_FLAGS[:1] if clang else MEMORY_FLAGS)
        self._built |= set(missing)
        return [folder / name.replace(".c", ".o") for name in sorted(sources)]


@functools.cache
def _shared(platform: Platform) -> _Shared:
    return _Shared(platform)


def compile_all(platform: Platform, sources: Sequence[str], folder: Path, extra: Sequence[str] = ()) -> None:
    """Compiles C files of a folder, several at a time."""
    include = ("-I", str(RUNTIME / "include"), "-I", str(HERE))
    command = [platform.compiler, *CPU_FLAGS[platform.cpu], *platform.flags, *WARNINGS, *include, *extra, "-c"]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        list(pool.map(lambda source: _call([*command, source], folder), sources))


def _call(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stderr}"
