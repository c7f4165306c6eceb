"""The image step: builds, checks, measures, and refuses what is larger than its slot."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tinyops.artifacts import Progress, Step
from tinyops.compiler.compiled import extension_of, header_of
from tinyops.compiler.header import ModelHeader
from tinyops.compiler.image.assembly import header_assembly
from tinyops.compiler.image.build import MACHINES, build_image, build_shared, lay_out, sizes
from tinyops.compiler.image.wasm import build_wasm, module_facts
from tinyops.errors import DoesNotFit, SpecError, ToolError
from tinyops.files import MIB, JsonObject, pretty_json, read_bounded, write_atomic
from tinyops.toolchain import COMPILERS, CPU_FLAGS, Tool, locked


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """See `tinyops.compiler.image.run`."""
    cpu, compiler = _settings(step)
    compiled, contract = _json(inputs, "compile.json"), _json(inputs, "contract.json")
    tool, prefer = locked(compiler["name"], compiler["version"]), str(compiled.get("prefer"))
    report(Progress(0, 2, f"building the image with {tool.name} {tool.version}"))
    with tempfile.TemporaryDirectory(prefix="tinyops-image-") as scratch:
        folder = Path(scratch)
        sources = lay_out(inputs, folder)
        if cpu.startswith("cortex-m"):
            assembly = header_assembly(header_of(compiled, contract), extension_of(compiled))
            found = _image(sources, assembly, cpu, prefer, tool, folder, out)
        elif cpu == "wasm32":
            linker = step.lock["linker"]
            tools = tool, locked(str(linker["name"]), str(linker["version"]))
            found = _wasm(sources, compiled, header_of(compiled, contract), tools, folder, out)
        else:
            found = _shared(sources, compiled, header_of(compiled, contract), (cpu, prefer), tool, folder, out)
    report(Progress(1, 2, f"image of {found['image_bytes']:,} bytes"))
    _check_slot(step.settings, found["image_bytes"])
    write_atomic(out / "image.json", pretty_json(found))
    report(Progress(2, 2, "image built"))
    return {name: found[name] for name in ("image_bytes", "code_bytes", "weights_bytes")}


def _image(sources: list[str], assembly: str, cpu: str, prefer: str, tool: Any, folder: Path, out: Path) -> JsonObject:
    data, elf = build_image(sources, assembly, cpu, tool, folder, prefer)
    try:
        linked = ModelHeader.parse(data)
    except ValueError as error:
        raise ToolError(f"model.bin: the linker made no sound header: {error}") from error
    if linked.image_bytes != len(data):
        raise ToolError(f"model.bin has {len(data)} bytes, its header says {linked.image_bytes}")
    write_atomic(out / "model.bin", data)
    write_atomic(out / "model.elf", elf)
    return {"image_bytes": len(data), **sizes(elf), "header": _header_json(linked)}


def _shared(
    sources: list[str],
    compiled: JsonObject,
    header: ModelHeader,
    built_for: tuple[str, str],
    tool: Any,
    folder: Path,
    out: Path,
) -> JsonObject:
    """`built_for`: the cpu, and what the model's spec prefers."""
    cpu, prefer = built_for
    data, code_bytes = build_shared(sources, cpu, tool, folder, prefer)
    write_atomic(out / "model.so", data)
    return {
        "image_bytes": len(data),
        "code_bytes": code_bytes,
        "weights_bytes": int(compiled["weights_bytes"]),
        "header": _header_json(header),
    }


def _wasm(
    sources: list[str], compiled: JsonObject, header: ModelHeader, tools: tuple[Tool, Tool], folder: Path, out: Path
) -> JsonObject:
    made_of = {"contract": header.contract.hex(), "model": compiled["model"]}
    data, module = build_wasm(sources, (header.arena_bytes, header.frame_values), made_of, tools, folder)
    write_atomic(out / "model.wasm", data)
    return {**module_facts(data, module, int(compiled["weights_bytes"])), "header": _header_json(header)}


def _header_json(header: ModelHeader) -> JsonObject:
    return {**asdict(header), "contract": header.contract.hex()}


def _check_slot(settings: JsonObject, image_bytes: int) -> None:
    slot = settings.get("slot_bytes")
    if slot is not None and image_bytes > int(slot):
        raise DoesNotFit(
            f"the model image has {image_bytes:,} bytes, a model slot of {settings['board']} has {int(slot):,}: "
            f"short by {image_bytes - int(slot):,}",
            hint="make the model's largest layers smaller, or choose a board with larger slots",
            image_bytes=image_bytes,
        )


def _settings(step: Step) -> tuple[str, Mapping[str, str]]:
    try:
        cpu, compiler = str(step.settings["cpu"]), step.lock["compiler"]
        _ = cpu != "wasm32" or (step.lock["linker"]["name"], step.lock["linker"]["version"])
        wanted = {"name": str(compiler["name"]), "version": str(compiler["version"])}
        _ = str(step.settings["board"])
    except (KeyError, TypeError) as error:
        raise SpecError(f"{step.id}: settings or lock lack {error}") from error
    images = [name for name in CPU_FLAGS if name.startswith("cortex-m") or name in (*MACHINES, "wasm32")]
    if cpu not in images:
        raise SpecError(f"{step.id}: there are no images for the cpu {cpu!r}", hint=f"one of {', '.join(images)}")
    if wanted["name"] not in COMPILERS[cpu]:
        expected = " or ".join(COMPILERS[cpu])
        raise SpecError(f"{step.id}: {cpu} is built by {expected}, the lock names {wanted['name']}")
    return cpu, wanted


def _json(inputs: Mapping[str, Path], name: str) -> JsonObject:
    if name not in inputs:
        raise SpecError(f"image: {name} is missing among the inputs", hint="the inputs are all outputs of compile")
    try:
        value = json.loads(read_bounded(inputs[name], 64 * MIB))
    except ValueError as error:
        raise SpecError(f"{name}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise SpecError(f"{name}: must be an object")
    return value
