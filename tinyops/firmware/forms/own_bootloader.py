"""What a bare-metal project has beside the firmware where a bootloader of ours starts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinyops.boards.layout import Region
from tinyops.boards.model import BoardSpec
from tinyops.firmware.building import BOOTLOADER
from tinyops.firmware.project import sources
from tinyops.firmware.templating import comment, render

TABLE_BYTES = 128  # the end of the bootloader's region: TINYOPS_BOOT_TABLE_BYTES of boot.h
STACK_BYTES = 4096  # the bootloader's own, while it runs
KEPT_BYTES = 128  # what a reset keeps, for the application
# Above it, for the bootloader; where the boot ROM has its stack and the second stage, their bank of RAM.
TOP_BYTES, ROM_TOP_BYTES = 16, {"rp2040": 4096}
UNIT_MIN_BYTES = 160  # TINYOPS_SLOTS_UNIT_MIN of slots.h
# What a bootloader needs of a port's files, below src.
PORT_SOURCES: Mapping[str, tuple[str, ...]] = {
    "nrf5": ("nrf5/chip.c", "nrf5/flash.c"),
    "rp2040": ("rp2040/boot2.c", "rp2040/clocks.c", "rp2040/flash.c", "rp2040/watchdog.c"),
    "mps2": ("mps2/watchdog.c", "twin/call.c"),
}
FOLDERS = ("boot", "signature", "update")  # of the runtime: what only a bootloader is built of


def environment(env: Mapping[str, Any], own: Region, startup: str) -> dict[str, Any]:
    """PlatformIO's environment of the bootloader that starts the firmware of `env`."""
    port = env["port"]
    files = ("boot/main.c", "boot/start.c", "boot/table.c", f"boot/{port}.c", *PORT_SOURCES[port])
    folders = ("digest/", "fetched/", "settings/settings.c", "signature/", "update/")
    chosen = (*files, *folders, f"{startup}/ram.c", f"{startup}/memory.c")
    return {
        **env,
        "name": f"{env['name']}{BOOTLOADER}",
        "title": f"The bootloader. {env['title']}",
        "board": f"{env['board']}{BOOTLOADER}",
        "ldscript": f"link/{env['name']}{BOOTLOADER}.ld",
        "flash": own,
        "flags": f"{env['flags']} -I src/{port}{' -D TINYOPS_BOOT_SETTINGS' if env['scarce'] else ''}",
        "sources": " ".join(f"+<{name}>" for name in chosen),
    }


def files_of(board: str, spec: BoardSpec, bootloaders: list[dict[str, Any]]) -> dict[str, bytes]:
    """The sources of the bootloaders, and their linker scripts; {} without any. What is fetched joins at build time."""
    if not bootloaders:
        return {}
    files = {"include/layout.h": layout_header(board, spec)}
    for folder in FOLDERS:
        files |= sources(folder, f"src/{folder}")
    for env in bootloaders:
        files[env["ldscript"]] = _linker_script(env)
    return files


def memory_values(own: Region | None, port: str) -> dict[str, Any]:
    """Of the firmware's linker script."""
    table = None if own is None else own.end - TABLE_BYTES
    return {"kept_bytes": KEPT_BYTES, "top_bytes": ROM_TOP_BYTES.get(port, TOP_BYTES), "table": table}


def _linker_script(env: Mapping[str, Any]) -> bytes:
    sizes = memory_values(env["flash"], env["port"]) | {"table_bytes": TABLE_BYTES, "stack_bytes": STACK_BYTES}
    boot2 = env["port"] == "rp2040"
    return render("boot.ld.j2", title=comment(env["title"]), flash=env["flash"], ram=env["ram"], boot2=boot2, **sizes)


def layout_header(board: str, spec: BoardSpec) -> bytes:
    """Where the slots lie that can be written; a single slot of an image cannot."""
    layout, flash = spec.layout, spec.settings_flash
    assert layout is not None and layout.state is not None and flash is not None  # the board's file was checked
    none = Region.model_construct(origin=0, bytes=0)
    found = {name: getattr(layout, name) for name in ("firmware", "model")}
    images = [
        (name.upper(), list(map(_slot, slots if len(slots) > 1 else (none, none)))) for name, slots in found.items()
    ]
    unit_bytes = -(-UNIT_MIN_BYTES // flash.program_bytes) * flash.program_bytes
    state = _slot(layout.state)
    return render("layout.h.j2", board=board, images=images, state=state, settings=flash, unit_bytes=unit_bytes)


def _slot(region: Region) -> str:
    return f"{{{region.origin:#010x}u, {region.bytes}u}}"
