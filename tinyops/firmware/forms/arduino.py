"""The Arduino form: a PlatformIO project for the board's real platform, and for the local one where there is a core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinyops.boards.model import Arduino, BoardSpec
from tinyops.files import JsonObject, pretty_json
from tinyops.firmware import building
from tinyops.firmware.forms import bare_metal
from tinyops.firmware.forms.form import Form, Request, Work
from tinyops.firmware.project import contract_values, describe_sensor, headers, names, sources
from tinyops.firmware.templating import render
from tinyops.toolchain import AVR_CORE_VARIABLE, CPU_FLAGS, find_avr_core

# What the local platform must know of a board, by PlatformIO's name: the core's variant, and the macro of its name.
LOCAL_BOARDS: Mapping[str, tuple[str, str]] = {"megaatmega2560": ("mega", "AVR_MEGA2560")}


class ArduinoForm(Form):
    """For boards whose platform and core PlatformIO fetches; the core's own functions are the port."""

    def serves(self, spec: BoardSpec) -> bool:
        return spec.port == "arduino"

    def render(self, request: Request) -> dict[str, bytes]:
        facts, common, layout = request.fitting_contract(), names(request), request.layout
        envs, model = environments(request.board, request.spec), next(iter(layout.model), None)
        sensor = describe_sensor(request.sensor)
        files = {
            "platformio.ini": render("arduino.ini.j2", **common, envs=envs, model=model),
            "include/contract.h": render("contract.h.j2", **common, **contract_values(facts, layout)),
            "src/main.cpp": render("main.cpp.j2", **common, linked=not layout.model, sensor=sensor),
            **board_json(request.board, request.spec),
            **headers(),
            **sources("app", "src/app"),
            **sources("smp", "src/smp"),
            **sources("port/arduino", "src/arduino"),
        }
        return dict(sorted((files | bare_metal.twin_project(request, facts)).items()))

    def build(self, work: Work) -> JsonObject:
        own = builds_locally(work.request.spec)
        variables = avr_core if own else building.no_variables
        return building.build(work, building.Target(own=own, twin_folder=building.TWIN, variables=variables))


def avr_core() -> Mapping[str, str]:
    """Where the local platform finds the core. Raises ToolError where it is missing."""
    return {AVR_CORE_VARIABLE: str(find_avr_core().path)}


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
