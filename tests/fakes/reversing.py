"""The reversing model (tests/build/test_twin_reverse.c) and firmware for it, built for any board of the catalogue."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from fakes.firmware_edits import Edit, as_rendered, build_edited
from tinyops.artifacts import Step
from tinyops.boards import load_catalog
from tinyops.files import digest_json
from tinyops.specs.lock import SOURCES
from tinyops.specs.locking import own_pins
from tinyops.toolchain import CPU_FLAGS, installed

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests/build/test_twin_reverse.c"
SCRIPT = SOURCE.with_suffix(".ld")
INCLUDE = ROOT / "tinyops/runtime/include"


@cache
def board_spec(name: str) -> Any:
    return load_catalog()[name].spec


def contract_of(name: str, **changes: Any) -> dict[str, Any]:
    layout = board_spec(name).layout
    contract = {
        "abi": 1,
        "input": {"sensor": "imu", "channels": ["ax", "ay"], "frame_values": 2, "rate_hz": 10, "window_frames": 4},
        "output": {"classes": ["still", "moving"], "type": "int8", "bytes": 8},
        "arena_bytes": layout.arena_bytes if layout else 4096,
    }
    return {**contract, **changes}


def digits(contract: dict[str, Any]) -> str:
    return ",".join(str(b) for b in bytes.fromhex(digest_json(contract).removeprefix("sha256:")))


def compile_image(name: str, folder: Path, contract: dict[str, Any], fault: int = 0, **macros: int) -> dict[str, Path]:
    """The reversing model for a board: model.so, or model.elf and model.bin, or the firmware that it is linked into."""
    spec = board_spec(name)
    if spec.model_form == "linked":
        return build_firmware(name, folder, contract, sources=linked_sources(folder, contract, fault, macros))
    defines = [f"-DCONTRACT={digits(contract)}", f"-DFAULT={fault}", *(f"-D{k}={v}" for k, v in macros.items())]
    common = [*CPU_FLAGS[spec.cpu], "-std=c99", "-g", "-Os", "-ffreestanding", "-I", INCLUDE, *defines, SOURCE]
    common += ["-fno-optimize-sibling-calls"]
    if spec.layout is None:
        output = folder / "model.so"
        subprocess.run([spec.compiler, *common, "-shared", "-fPIC", "-DSHARED", "-nostdlib", "-o", output], check=True)
        return {"model.so": output}
    elf, binary = folder / "model.elf", folder / "model.bin"
    link = ["-fpie", "-mpic-data-is-text-relative", "-nostdlib", "-static", "-Wl,--build-id=none", f"-Wl,-T,{SCRIPT}"]
    subprocess.run(["arm-none-eabi-gcc", *common, *link, "-Wl,-e,0", "-o", elf], check=True)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", elf, binary], check=True)
    return {"model.elf": elf, "model.bin": binary}


def linked_sources(folder: Path, contract: dict[str, Any], fault: int, macros: dict[str, int]) -> dict[str, Path]:
    """The same as a compile step's C; as a header, where warnings are not errors."""
    defines = {"SHARED": 1, "CONTRACT": digits(contract), "FAULT": fault, **macros}
    lines = ["#pragma GCC system_header", *(f"#define {name} {value}" for name, value in defines.items())]
    (folder / "reverse.h").write_text("\n".join([*lines, SOURCE.read_text()]))
    (folder / "model.c").write_text('#include "reverse.h"\n')
    return {name: folder / name for name in ("model.c", "reverse.h")}


def build_firmware(
    name: str,
    folder: Path,
    contract: dict[str, Any],
    fleet: str = "wrist",
    sources: dict[str, Path] | None = None,
    edit: Edit = as_rendered,
) -> dict[str, Path]:
    spec = board_spec(name)
    lock = {
        "compiler": {"name": spec.compiler, "version": installed(spec.compiler).version},
        "platformio": "6.2.0",
        "scons": "4.11.1",
        "firmware": own_pins().firmware,
        "sources": dict(SOURCES),
    }
    facts = spec.model_dump(mode="json")
    settings = {"board": name, "fleet": fleet, "sensor": {"kind": "stream", "port": "serial"}, "facts": facts}
    out = folder / "firmware"
    out.mkdir()
    step = Step("firmware", f"{fleet}/{name}", settings, lock)
    (folder / "contract.json").write_text(json.dumps(contract, indent=1))
    build_edited(step, {"contract.json": folder / "contract.json", **(sources or {})}, out, edit)
    return {path.name: path for path in out.iterdir()}
