"""The Arduino form: a PlatformIO project for the board's real platform, and for the local one where there is a core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinyops.boards.model import Arduino, BoardSpec
from tinyops.files import pretty_json
from tinyops.toolchain import CPU_FLAGS

# What the local platform must know of a board, by PlatformIO's name: the core's variant, and the macro of its name.
LOCAL_BOARDS: Mapping[str, tuple[str, str]] = {"megaatmega2560": ("mega", "AVR_MEGA2560")}


def builds_locally(spec: BoardSpec) -> bool:
    """Whether the local platform builds for the board; else only the real one does."""
    return spec.arduino is not None and spec.arduino.board in LOCAL_BOARDS


def environments(board: str, spec: BoardSpec) -> list[dict[str, Any]]:
    """The sections of platformio.ini: the local platform's first, where it can, then the real one's."""
    assert spec.arduino is not None
    own = {"name": board, "local": True, "board": f"tinyops-{board}"}
    real = {"name": f"{board}-real" if builds_locally(spec) else board, "local": False, "arduino": spec.arduino}
    return [own, real | _real(spec.arduino)] if builds_locally(spec) else [real | _real(spec.arduino)]


def _real(arduino: Arduino) -> dict[str, Any]:
    repository = "://" in arduino.platform
    libraries = [*arduino.libraries, *(library for d in arduino.drivers.values() for library in d.libraries)]
    return {
        "platform": f"{arduino.platform}{'#' if repository else '@'}{arduino.version}",
        "board": arduino.board,
        "core": arduino.core,
        "libraries": list(dict.fromkeys(libraries)),
        "options": dict(sorted(arduino.options.items())),
    }


def board_json(board: str, spec: BoardSpec) -> dict[str, bytes]:
    """PlatformIO's description of the board for the local platform; {} where that does not build for it."""
    if not builds_locally(spec):
        return {}
    assert spec.arduino is not None and spec.memory is not None and spec.layout is not None
    variant, macro = LOCAL_BOARDS[spec.arduino.board]
    build = {
        "cpu": spec.cpu,
        "cpu_flags": list(CPU_FLAGS[spec.cpu]),
        "mcu": spec.mcu.lower(),
        "f_cpu": f"{spec.clock_hz}L",
        "variant": variant,
        "macro": macro,
    }
    sizes = {"maximum_ram_size": spec.memory.ram.bytes, "maximum_size": spec.layout.firmware[0].bytes}
    text = {
        "build": build,
        "frameworks": ["arduino"],
        "name": spec.title,
        "upload": sizes,
        "url": "",
        "vendor": "tinyops",
    }
    return {f"boards/tinyops-{board}.json": pretty_json(text)}
