"""Runs the locked compiler over a compiled model's files. Paths given to it are relative, so that none gets in."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from tinyops.compiler.image.elf import (
    check_position_independent,
    check_shared_object,
    flat_bytes,
    section_bytes,
    without_sections,
)
from tinyops.compiler.options import RUNTIME
from tinyops.errors import SpecError, ToolError
from tinyops.files import writing
from tinyops.process import run
from tinyops.toolchain import CPU_FLAGS, Tool

MEMORY_SOURCE = "memory.c"
HEADER_SOURCE = "image_header.S"
LINKER_SCRIPT = "image.ld"
TIMEOUT_S = 600

COMMON_FLAGS = (
    *("-std=c99", "-O2", "-fvisibility=hidden", "-fno-common", "-fno-strict-aliasing"),
    *("-ffunction-sections", "-fdata-sections", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
    *("-fno-stack-protector", "-ffp-contract=off", "-frandom-seed=tinyops"),
    *("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-Wno-psabi", "-I.", "-Iinclude"),
)
# Debug information for `tinyops crash`, in the ELF only: without the name of the folder that it was built in.
DEBUG_FLAGS = ("-g", "-gno-record-gcc-switches", "-ffile-prefix-map={folder}=/model")
IMAGE_FLAGS = ("-fpie", "-mpic-data-is-text-relative", "-DTINYOPS_IMAGE")
SHARED_FLAGS = ("-fPIC", "-DTINYOPS_SHARED")
# Sources that run once for each value that comes in or goes out: no model notices how fast they are.
SELDOM = frozenset({"features/window.c", "kernels/mean.c", "kernels/softmax.c"})
# The memory functions must not be recognised as loops that call themselves.
MEMORY_FLAGS = ("-fno-builtin", "-fno-tree-loop-distribute-patterns")
ENVIRONMENT = {"LC_ALL": "C", "SOURCE_DATE_EPOCH": "0", "GCC_COLORS": ""}
MACHINES = {"x86-64": "x86_64", "aarch64": "aarch64"}


def lay_out(files: Mapping[str, Path], folder: Path) -> list[str]:
    """Copies a compile step's C files into a build folder under their names; returns the C sources, sorted."""
    sources = []
    for name, path in sorted(files.items()):
        relative = PurePosixPath(name)
        if relative.suffix not in (".c", ".h"):
            continue
        if relative.is_absolute() or ".." in relative.parts or relative.parts[0].startswith("-"):
            raise SpecError(f"image: file name {name!r} leads out of the build folder")
        to = folder / relative
        with writing(to):
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
        if relative.suffix == ".c":
            sources.append(name)
    if "model.c" not in sources:
        raise SpecError("image: model.c is missing among the inputs", hint="the inputs are all outputs of compile")
    return sources


def optimisation(source: str, prefer: str) -> tuple[str, ...]:
    """Flags of one source beyond the common ones, by what the model's spec prefers."""
    memory = MEMORY_FLAGS if source == MEMORY_SOURCE else ()
    return (*memory, "-Os") if prefer == "size" or source in SELDOM else memory


def build_image(
    sources: list[str], assembly: str, cpu: str, tool: Tool, folder: Path, prefer: str = "balanced"
) -> tuple[bytes, bytes]:
    """A Cortex-M image: (its bytes, its ELF). Every object and the linked file are checked."""
    with writing(folder / HEADER_SOURCE):
        (folder / HEADER_SOURCE).write_text(assembly)
    debug = (flag.format(folder=folder.resolve()) for flag in DEBUG_FLAGS)
    flags = (*CPU_FLAGS[cpu], *COMMON_FLAGS, *IMAGE_FLAGS, *debug)
    objects = _compile([*with_memory(sources, folder), HEADER_SOURCE], flags, prefer, tool, folder)
    for name in objects:
        check_position_independent((folder / name).read_bytes(), name)
    shutil.copyfile(RUNTIME / "image" / LINKER_SCRIPT, folder / LINKER_SCRIPT)
    link = (
        "-nostdlib",
        "-static",
        "-T",
        LINKER_SCRIPT,
        "-Wl,--emit-relocs",
        "-Wl,--gc-sections",
        "-Wl,--build-id=none",
    )
    _gcc(tool, [*CPU_FLAGS[cpu], *link, "-Wl,--fatal-warnings", "-o", "model.elf", *objects, "-lgcc"], folder)
    elf = (folder / "model.elf").read_bytes()
    check_position_independent(elf, "model.elf")
    return flat_bytes(elf), elf


def build_shared(sources: list[str], cpu: str, tool: Tool, folder: Path, prefer: str = "balanced") -> tuple[bytes, int]:
    """A shared object that needs nothing from outside, and the bytes of its code."""
    _check_machine(cpu, tool, folder)
    flags = (*CPU_FLAGS[cpu], *COMMON_FLAGS, *SHARED_FLAGS)
    objects = _compile(with_memory(sources, folder), flags, prefer, tool, folder)
    link = ("-shared", "-nostdlib", "-Wl,-Bsymbolic", "-Wl,-z,defs", "-Wl,-z,noexecstack", "-Wl,--gc-sections")
    dense = ("-Wl,-z,noseparate-code", "-Wl,-z,norelro")  # no pages of zeros between code, constants and names
    tail = ("-Wl,--build-id=none", "-Wl,-s", "-Wl,-soname,model.so", "-o", "model.so", *objects, "-lgcc")
    _gcc(tool, [*CPU_FLAGS[cpu], *link, *dense, *tail], folder)
    data = (folder / "model.so").read_bytes()
    check_shared_object(data, "model.so")
    return without_sections(data), section_bytes(data).get(".text", 0)


def sizes(elf: bytes) -> dict[str, int]:
    """code_bytes (code and small constants) and weights_bytes of a linked file with a section for weights."""
    found = section_bytes(elf)
    return {"code_bytes": found.get(".text", 0) + found.get(".rodata", 0), "weights_bytes": found.get(".weights", 0)}


def with_memory(sources: list[str], folder: Path) -> list[str]:
    """The sources and, beside them, the memory functions that a compiler may call."""
    shutil.copyfile(RUNTIME / "image" / MEMORY_SOURCE, folder / MEMORY_SOURCE)
    return [*sources, MEMORY_SOURCE]


def _compile(sources: list[str], flags: tuple[str, ...], prefer: str, tool: Tool, folder: Path) -> list[str]:
    objects = []
    for source in sources:
        name = source.rsplit(".", 1)[0] + ".o"
        _gcc(tool, [*flags, *optimisation(source, prefer), "-c", source, "-o", name], folder)
        objects.append(name)
    return objects


def _gcc(tool: Tool, arguments: list[str], folder: Path) -> None:
    run([tool.path, *arguments], timeout_s=TIMEOUT_S, cwd=folder, env=ENVIRONMENT, what=f"{tool.name} (model image)")


def _check_machine(cpu: str, tool: Tool, folder: Path) -> None:
    found = run([tool.path, "-dumpmachine"], timeout_s=20, cwd=folder).stdout.strip()
    if not found.startswith(MACHINES[cpu]):
        raise ToolError(
            f"{tool.name} here makes code for {found}, the board is {cpu}", hint=f"build on a machine that is {cpu}"
        )
