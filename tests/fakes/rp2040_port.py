"""The RP2040 port with a program of a test's, linked by the board's own script; sources may be edited before."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML

from tinyops.boards.model import Board
from tinyops.firmware import render_project
from tinyops.firmware.uf2 import seal_boot2
from tinyops.toolchain import CPU_FLAGS

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"


def link_port(program: Path, folder: Path, edits: Mapping[str, tuple[str, str]] | None = None) -> Path:
    """The ELF, with a .bin beside it. `edits`: by file of the port, a text that must be there, and another for it."""
    spec = Board.model_validate(YAML(typ="safe").load(ROOT / "board_catalog/pico.yaml")).spec
    assert spec.layout is not None
    spec = spec.model_copy(update={"layout": spec.layout.without_bootloader()})  # the chip starts what is linked here
    assert spec.layout is not None
    contract = {"abi": 1, "input": {}, "output": {}, "arena_bytes": spec.layout.arena_bytes}
    files = render_project(board="pico", spec=spec, fleet="f", sensor="stream", contract=contract)
    (folder / "pico.ld").write_bytes(files["link/pico.ld"])
    (folder / "pins.h").write_bytes(files["include/pins.h"])
    port = folder / "port"
    shutil.copytree(RUNTIME / "port/rp2040", port)
    for name, (old, new) in (edits or {}).items():
        text = (port / name).read_text()
        assert old in text, name
        (port / name).write_text(text.replace(old, new))
    sources = [program, *sorted(port.glob("*.c"))]
    sources += [RUNTIME / "port/cortex_m/startup.c", RUNTIME / "port/bare/ram.c"]
    sources += [
        *sorted((RUNTIME / "app").glob("*.c")),
        *sorted((RUNTIME / "smp").glob("*.c")),
        RUNTIME / "digest/sha256.c",
    ]
    flags = [*CPU_FLAGS[spec.cpu], "-std=c99", "-Os", "-ffreestanding", "-ffunction-sections", "-DTINYOPS_HAS_VTOR=1"]
    places = (*(RUNTIME / name for name in ("include", "port/bare", "port/cortex_m")), port, folder)
    folders = [argument for place in places for argument in ("-I", place)]
    link = ["--specs=nano.specs", "-nostartfiles", "-Wl,--gc-sections", "-Wl,--build-id=none"]
    path = folder / "test.elf"
    command = ["arm-none-eabi-gcc", *flags, *folders, *sources, *link, f"-Wl,-T,{folder / 'pico.ld'}", "-o", path]
    subprocess.run(command, check=True)
    path.write_bytes(seal_boot2(path.read_bytes()))
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", path, path.with_suffix(".bin")], check=True)
    return path
