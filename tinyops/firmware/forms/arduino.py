"""The Arduino form: a PlatformIO project for the board's real platform, and for the local one where there is a core."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tinyops.artifacts import Progress
from tinyops.boards.model import Act, Arduino, BoardSpec, Driver
from tinyops.errors import SpecError
from tinyops.files import JsonObject, pretty_json
from tinyops.firmware import building, collector
from tinyops.firmware.contract import Contract
from tinyops.firmware.forms import arduino_collector, arduino_part, bare_metal
from tinyops.firmware.forms.bare_metal import message_bytes, settings_values
from tinyops.firmware.forms.form import Form, Request, Work
from tinyops.firmware.forms.own_bootloader import layout_header
from tinyops.firmware.maker_build import MakerTarget
from tinyops.firmware.project import RUNTIME, contract_values, describe_sensor, headers, names, sources
from tinyops.firmware.slots import are_linked, model_symbols, takes_deltas
from tinyops.firmware.templating import comment, render
from tinyops.specs.acts import HttpAct, http_act
from tinyops.toolchain import AVR_CORE_VARIABLE, CPU_FLAGS, find_avr_core

# What the local platform must know of a board, by PlatformIO's name: the core's variant, and the macro of its name.
LOCAL_BOARDS: Mapping[str, tuple[str, str]] = {"megaatmega2560": ("mega", "AVR_MEGA2560")}
SENSORS = "port/arduino/sensors"  # below the runtime
ACTS = "port/arduino/acts"
_SHARED = ("library.h", "sensor.h")
_IMUS = ("bmi270", "lsm9ds1")  # drivers that share imu.h


@dataclass(frozen=True)
class ChosenDriver:
    """The board's own sensor that a firmware reads: sources, libraries, and what the contract's channels are to it."""

    sensor: str
    part: str
    files: tuple[str, ...]
    libraries: tuple[str, ...]
    channels: tuple[int, ...]  # which of the sensor's each is
    counts: tuple[str, ...]  # C's float literals: int16 counts for one unit of each


def driver_of(
    board: str, spec: BoardSpec, sensor: JsonObject | str, channels: Sequence[str], full_scale: Sequence[float]
) -> ChosenDriver | None:
    """None where frames come from elsewhere. Raises SpecError where the board's own sensor has no driver, or not these
    channels."""
    assert spec.arduino is not None
    if isinstance(sensor, str) or sensor.get("kind") != "onboard":
        return None
    name = str(sensor.get("name"))
    driver, facts = spec.arduino.drivers.get(name), next((s for s in spec.sensors if s.name == name), None)
    if driver is None or facts is None:
        raise SpecError(f"{board}: the Arduino firmware has no driver for sensor {name!r}")
    missing = sorted(set(channels) - set(facts.channels))
    if missing or not channels or len(channels) != len(full_scale):
        wrong = (
            f"{name} of {board} has no channel {missing[0]}" if missing else "it names no full scale of each channel"
        )
        raise SpecError(f"contract.json: {wrong}")
    shared = (*_SHARED, "imu.h") if driver.file in _IMUS else _SHARED
    return ChosenDriver(
        sensor=name,
        part=facts.part,
        files=(f"{driver.file}.cpp", *shared),
        libraries=driver.libraries,
        channels=tuple(facts.channels.index(channel) for channel in channels),
        counts=tuple(f"{32768 / scale:.9e}f" for scale in full_scale),
    )


def driver_sources(driver: ChosenDriver | None) -> dict[str, bytes]:
    """The driver's C++ under its place in the project."""
    return {f"src/arduino/{n}": (RUNTIME / SENSORS / n).read_bytes() for n in driver.files} if driver else {}


@dataclass(frozen=True)
class ChosenActs:
    """How a firmware tells others of results, beside the serial line and the LED; see runtime/port/arduino/acts."""

    ble: Act | None
    http: Act | None
    post: HttpAct | None

    @property
    def used(self) -> tuple[Act, ...]:
        return tuple(act for act in (self.ble, self.http) if act)


def acts_of(request: Request) -> ChosenActs | None:
    """None where nobody else is told. Raises SpecError where the board's radio does not do it."""
    assert request.spec.arduino is not None
    known = request.spec.arduino.acts
    for kind in ("ble", "http"):
        if request.does(kind) and kind not in known:
            raise SpecError(f"{request.board}: the Arduino firmware has nothing to do {kind} with")
    chosen = {kind: known[kind] if request.does(kind) else None for kind in ("ble", "http")}
    found = ChosenActs(**chosen, post=http_act(request.acts))
    return found if found.used else None


def act_sources(acts: ChosenActs | None) -> dict[str, bytes]:
    """The C++ of what tells others."""
    if acts is None:
        return {}
    names = [f"{ACTS}/act.h", f"{ACTS}/report.cpp", f"{SENSORS}/library.h"]
    names += [f"{ACTS}/{act.file}.cpp" for act in acts.used]
    return {f"src/arduino/{PurePosixPath(name).name}": (RUNTIME / name).read_bytes() for name in names}


def describe(driver: ChosenDriver) -> str:
    return f"{driver.sensor}, {driver.part}" if driver.part else driver.sensor


class ArduinoForm(Form):
    """For boards whose platform and core PlatformIO fetches; the core's own functions are the port."""

    def serves(self, spec: BoardSpec) -> bool:
        return spec.port == "arduino"

    def render(self, request: Request) -> dict[str, bytes]:
        facts, common, layout = request.fitting_contract(), names(request), request.layout
        driver = driver_of(request.board, request.spec, request.sensor, facts.channels, facts.full_scale)
        if request.collects:
            return self._collector(request, facts, driver)
        acts = acts_of(request)
        part = arduino_part.part_of(request)
        envs = environments(request.board, request.spec, driver, (*of_acts(acts), *part.libraries))
        values = contract_values(facts, layout) | settings_values(request.spec)
        sensor = comment(describe(driver)) if driver else describe_sensor(request.sensor)
        program = {"linked": not layout.model, "sensor": sensor, "driver": driver, "dark": request.dark}
        program |= {"acts": acts, "labels": facts.classes}
        slots, makers_bootloader = are_linked(layout), request.spec.update.kind == "vendor-ab"
        program |= {"settings": layout.settings, "avr": request.spec.cpu == "avr", "slots": slots}
        program |= {"vendor": slots and makers_bootloader, "deltas": slots and takes_deltas(request.spec)}
        program |= {"chain": request.chain, **part.names}
        values |= {"message_bytes": message_bytes(request.spec, in_chain=request.chain is not None)}
        ini = {
            "collects": False,
            "envs": envs,
            "models": model_symbols(layout),
            "firmware": layout.firmware[0],
            "slots": slots,
            "part_flags": part.flags,
        }
        files = {
            "platformio.ini": render("arduino.ini.j2", **common, **ini),
            "include/contract.h": render("contract.h.j2", **common, **values),
            "src/main.cpp": render("main.cpp.j2", **common, **program),
            **board_json(request.board, request.spec),
            **headers(),
            **sources("app", "src/app"),
            **sources("smp", "src/smp"),
            **sources("digest", "src/digest"),
            **(sources("settings", "src/settings") if layout.settings else {}),
            **sources("port/arduino", "src/arduino"),
            **(slot_sources(request, vendor=makers_bootloader) if slots else {}),
            **driver_sources(driver),
            **act_sources(acts),
            **part.files,
        }
        return dict(sorted((files | bare_metal.twin_project(request, facts)).items()))

    def _collector(self, request: Request, facts: Contract, driver: ChosenDriver | None) -> dict[str, bytes]:
        ways = arduino_collector.ways_of(request.spec)
        sensor = comment(describe(driver)) if driver else collector.describe_input(request.sensor)
        ini: dict[str, Any] = {"envs": environments(request.board, request.spec, driver, ways.libraries)}
        ini |= {"collects": True, "models": (), "slots": False, "part_flags": (), "baud": request.spec.collector_baud}
        files = {
            "platformio.ini": render("arduino.ini.j2", **names(request), **ini),
            **board_json(request.board, request.spec),
            **sources("port/arduino", "src/arduino"),
            **driver_sources(driver),
            **arduino_collector.files_of(request, facts, driver, sensor),
        }
        return dict(sorted((files | bare_metal.twin_project(request, facts)).items()))

    def build(self, work: Work) -> JsonObject:
        own, pins = builds_locally(work.request.spec), work.step.lock.get("platform")
        variables = avr_core if own else building.no_variables
        maker = MakerTarget(maker_environment(work.request.board, work.request.spec), pins) if pins else None
        if not own and maker is None:
            work.report(Progress(0, 1, f"{work.request.board}: the lock pins no platform of its maker: not compiled"))
        target = building.Target(own=own, twin_folder=building.TWIN, variables=variables, maker=maker)
        return building.build(work, target)


def slot_sources(request: Request, *, vendor: bool) -> dict[str, bytes]:
    """What replaces images where no bootloader of ours does: the curve of its signatures joins at build time."""
    files = {"include/layout.h": layout_header(request.board, request.spec)}
    files |= sources("update", "src/update") | sources("signature", "src/signature")
    files["src/update/table.c"] = (RUNTIME / "boot/table.c").read_bytes()
    files |= sources("delta", "src/delta") if takes_deltas(request.spec) else {}
    if vendor:
        files |= sources("vendor", "src/vendor")
        files["include/tinyops/vendor.h"] = (RUNTIME / "include/tinyops/vendor.h").read_bytes()
    return files


def avr_core() -> Mapping[str, str]:
    """Where the local platform finds the core. Raises ToolError where it is missing."""
    return {AVR_CORE_VARIABLE: str(find_avr_core().path)}


def builds_locally(spec: BoardSpec) -> bool:
    """Whether the local platform builds for the board; else only the real one does."""
    return spec.arduino is not None and spec.arduino.board in LOCAL_BOARDS


def maker_environment(board: str, spec: BoardSpec) -> str:
    """The section of platformio.ini with the platform of the board's maker."""
    return f"{board}-real" if builds_locally(spec) else board


def of_acts(acts: ChosenActs | None) -> tuple[str, ...]:
    """The libraries of what tells others."""
    return tuple(library for act in (acts.used if acts else ()) for library in act.libraries)


def environments(
    board: str, spec: BoardSpec, driver: ChosenDriver | None = None, more: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The sections of platformio.ini: the local platform's first, where it can, then the real one's."""
    assert spec.arduino is not None
    own = {"name": board, "local": True, "board": f"tinyops-{board}", "serial": spec.arduino.serial}
    real = {"name": maker_environment(board, spec), "local": False, "arduino": spec.arduino}
    real |= _real(spec.arduino, [*(driver.libraries if driver else ()), *more])
    return [own, real] if builds_locally(spec) else [real]


def libraries_of(spec: BoardSpec, sensor: str, acts: Collection[str]) -> frozenset[str]:
    """What a firmware that reads this sensor and tells others so needs beside the core."""
    assert spec.arduino is not None
    parts: list[Driver | Act] = [part for name, part in spec.arduino.drivers.items() if name == sensor]
    parts += [part for name, part in spec.arduino.acts.items() if name in acts]
    return frozenset(library for part in parts for library in part.libraries)


def makers_project(wanted: Mapping[str, tuple[BoardSpec, frozenset[str]]]) -> bytes:
    """A platformio.ini with a section a board: what its maker's platform, and these libraries, need."""
    envs = [{"name": name, "local": False, **_needs(spec, libs)} for name, (spec, libs) in sorted(wanted.items())]
    return render(
        "arduino.ini.j2",
        board="every board",
        fleet="every fleet",
        title="Needs",
        envs=envs,
        models=(),
        slots=False,
        collects=False,
        part_flags=(),
    )


def _needs(spec: BoardSpec, libraries: frozenset[str]) -> dict[str, Any]:
    assert spec.arduino is not None
    return _real(spec.arduino, sorted(libraries))


def _real(arduino: Arduino, more: Sequence[str]) -> dict[str, Any]:
    repository = "://" in arduino.platform
    libraries = [*arduino.libraries, *more]
    return {
        "platform": f"{arduino.platform}{'#' if repository else '@'}{arduino.version}",
        "board": arduino.board,
        "core": arduino.core,
        "serial": arduino.serial,
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
