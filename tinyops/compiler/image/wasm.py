"""A compiled model as a WebAssembly module: freestanding, without imports, its memory's size fixed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyops.compiler.header import PART_WORDS, SYMBOLS
from tinyops.compiler.image.build import COMMON_FLAGS, ENVIRONMENT, MEMORY_SOURCE, TIMEOUT_S, with_memory
from tinyops.compiler.options import RUNTIME
from tinyops.errors import SpecError, ToolError
from tinyops.files import JsonObject, canonical_json, writing
from tinyops.process import run
from tinyops.toolchain import CPU_FLAGS, Tool

BUFFERS_SOURCE = "buffers.c"
STACK_BYTES = 64 << 10
PAGE_BYTES = 64 << 10
MEMORY_LIMIT_BYTES = 512 << 20
SECTION = "tinyops"  # a custom section: where the module comes from
BUFFERS = ("tinyops_arena", "tinyops_frame")
STACK_END = "__global_base"  # the linker's: the stack lies below everything else, so running over it traps
EXPORTS = frozenset({"memory", STACK_END, *SYMBOLS, *BUFFERS})
FLAGS = ("-DTINYOPS_SHARED", "-ffreestanding", "-fbuiltin", "-Ifreestanding")
LINK = (
    *(
        "--no-entry",
        "--stack-first",
        "-z",
        f"stack-size={STACK_BYTES}",
        "--gc-sections",
        "--strip-all",
        "--fatal-warnings",
    ),
    *(f"--export={name}" for name in (*SYMBOLS, *BUFFERS, STACK_END)),
    f"--export-if-defined={PART_WORDS}",
)
CUSTOM, IMPORT, MEMORY, EXPORT, CODE = 0, 2, 5, 7, 10


@dataclass(frozen=True)
class Module:
    """What a module says of itself; sizes in bytes. `maximum_bytes` is None when its memory may grow without end."""

    imports: int
    exports: frozenset[str]
    memory_bytes: int
    maximum_bytes: int | None
    code_bytes: int
    provenance: bytes


def build_wasm(
    sources: list[str], sizes: tuple[int, int], provenance: JsonObject, tools: tuple[Tool, Tool], folder: Path
) -> tuple[bytes, Module]:
    """The module and what it says of itself. `sizes` are the arena's bytes and the values of a sensor frame, `tools`
    compiler and linker.
    """
    tool, linker = tools
    with writing(folder / BUFFERS_SOURCE):
        (folder / BUFFERS_SOURCE).write_text(_buffers(*sizes))
        shutil.copytree(RUNTIME / "image" / "freestanding", folder / "freestanding")
    objects = _compile([*with_memory(sources, folder), BUFFERS_SOURCE], tool, folder)
    # A memory that cannot grow has the size that the linker finds: known only once it has linked.
    memory = parse_module(_link(linker, objects, (), folder)).memory_bytes
    data = _link(linker, objects, (f"--initial-memory={memory}", f"--max-memory={memory}"), folder)
    made = {**provenance, "compiler": f"{tool.name} {tool.version}", "linker": f"{linker.name} {linker.version}"}
    data += _section(CUSTOM, _named(SECTION) + canonical_json(made))
    return data, check_module(data)


def check_module(data: bytes) -> Module:
    """Raises SpecError for a module that wants something from its host, or whose memory is not bounded."""
    module = parse_module(data)
    if module.imports:
        raise SpecError(f"model.wasm: has {module.imports} imports; a model needs nothing from outside")
    if module.exports - {PART_WORDS} != EXPORTS:
        raise SpecError(
            f"model.wasm: exports {', '.join(sorted(module.exports))}; it must be {', '.join(sorted(EXPORTS))}"
        )
    if module.maximum_bytes != module.memory_bytes or module.memory_bytes > MEMORY_LIMIT_BYTES:
        raise SpecError(f"model.wasm: its memory is not fixed, or has more than {MEMORY_LIMIT_BYTES:,} bytes")
    return module


def parse_module(data: bytes) -> Module:
    """Raises ToolError for what is no module."""
    if not data.startswith(b"\0asm\1\0\0\0"):
        raise ToolError("model.wasm: the linker made no WebAssembly module")
    try:
        sections = dict(_sections(data))
        memory, maximum = _memory(sections[MEMORY])
        imports, _ = _number(sections.get(IMPORT, b"\0"), 0)
        return Module(
            imports,
            frozenset(_exports(sections[EXPORT])),
            memory,
            maximum,
            len(sections[CODE]),
            sections.get(CUSTOM, b""),
        )
    except (IndexError, KeyError, UnicodeDecodeError) as error:
        raise ToolError(f"model.wasm: not a sound WebAssembly module: {error}") from error


def _buffers(arena_bytes: int, frame_values: int) -> str:
    """C of the memory that the caller fills: its addresses are what the module exports."""
    return (
        "/* The caller's memory: the arena, and one sensor frame. */\n"
        '#include "tinyops/internal.h"\n#include "tinyops/model.h"\n\n'
        f"TINYOPS_EXPORT uint8_t tinyops_arena[{arena_bytes}] __attribute__((aligned(TINYOPS_ARENA_ALIGN)));\n"
        f"TINYOPS_EXPORT int16_t tinyops_frame[{max(frame_values, 1)}];\n"
    )


def _compile(sources: list[str], tool: Tool, folder: Path) -> list[str]:
    objects = []
    for source in sources:
        name = source.rsplit(".", 1)[0] + ".o"
        extra = ["-fno-builtin"] if source == MEMORY_SOURCE else []
        command: list[str | Path] = [
            tool.path,
            *CPU_FLAGS["wasm32"],
            *COMMON_FLAGS,
            *FLAGS,
            *extra,
            "-c",
            source,
            "-o",
            name,
        ]
        run(command, timeout_s=TIMEOUT_S, cwd=folder, env=ENVIRONMENT, what=f"{tool.name} (model image)")
        objects.append(name)
    return objects


def _link(linker: Tool, objects: list[str], more: tuple[str, ...], folder: Path) -> bytes:
    command: list[str | Path] = [linker.path, *LINK, *more, "-o", "model.wasm", *objects]
    run(command, timeout_s=TIMEOUT_S, cwd=folder, env=ENVIRONMENT, what=f"{linker.name} (model image)")
    return (folder / "model.wasm").read_bytes()


def _sections(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(id, content) of each section; of custom ones only the content of our own."""
    at = 8
    while at < len(data):
        kind = data[at]
        size, at = _number(data, at + 1)
        if at + size > len(data):
            raise IndexError("a section that is cut short")
        content, own = data[at : at + size], _named(SECTION)
        at += size
        if kind != CUSTOM:
            yield kind, content
        elif content.startswith(own):
            yield kind, content[len(own) :]


def _memory(content: bytes) -> tuple[int, int | None]:
    """(bytes at the start, most bytes) of the only memory."""
    count, at = _number(content, 0)
    if count != 1:
        raise IndexError(f"{count} memories")
    bounded = content[at] & 1
    pages, at = _number(content, at + 1)
    return pages * PAGE_BYTES, _number(content, at)[0] * PAGE_BYTES if bounded else None


def _exports(content: bytes) -> Iterator[str]:
    count, at = _number(content, 0)
    for _ in range(count):
        length, at = _number(content, at)
        yield content[at : at + length].decode()
        _, at = _number(content, at + length + 1)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number and where it ends."""
    value = 0
    for shift in range(0, 35, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError("a number that does not end")


def _leb(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _named(name: str) -> bytes:
    return _leb(len(name)) + name.encode()


def _section(kind: int, content: bytes) -> bytes:
    return bytes((kind,)) + _leb(len(content)) + content


def module_facts(data: bytes, module: Module, weights_bytes: int) -> Mapping[str, int]:
    """Sizes for image.json; code includes what the runtime brings, not the weights."""
    return {
        "image_bytes": len(data),
        "code_bytes": module.code_bytes,
        "weights_bytes": weights_bytes,
        "memory_bytes": module.memory_bytes,
        "stack_bytes": STACK_BYTES,
    }
