"""Rendering a firmware's PlatformIO project: a pure function of board, contract, templates and the C runtime."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from tinyops.boards.layout import Layout
from tinyops.boards.machines import QEMU, place
from tinyops.boards.model import BARE_METAL_PORTS, BoardSpec
from tinyops.errors import SpecError
from tinyops.files import MIB, JsonObject, digest_json, pretty_json, read_bounded
from tinyops.firmware.forms import arduino
from tinyops.toolchain import CPU_FLAGS

PACKAGE = Path(__file__).parent
RUNTIME = PACKAGE.parent / "runtime"
PORTS = ("cortex_m", "mps2", "nrf5", "riscv", "rp2040", "virt")
HEADERS = (
    *("app.h", "health.h", "link.h", "manage.h", "model.h", "port.h", "sha256.h", "smp.h", "smp_group.h"),
    *("settings.h", "settings_format.h", "settings_smp.h"),
)
# Of the application that every firmware is made of; what a board says of itself. A change of behaviour is a new one.
FIRMWARE_VERSION = "0.1.0"
GPIO_BASES = (0x50000000, 0x50000300)  # nRF5: port 0 and 1
# A chip whose boot ROM starts a second stage at the start of flash, and takes UF2 files of this family.
UF2_FAMILIES = {"rp2040": 0xE48BFF56}
FRAME_VALUES_MAX = 1 << 20
RATE_HZ_MAX = 4_000_000
TWIN = "twin"  # the environment of a twin that is another machine
SOURCE_LIMIT_BYTES = 64 * MIB


Project: TypeAlias = Callable[[str, BoardSpec, Mapping[str, Any], "Contract", JsonObject | str], dict[str, bytes]]


@dataclass(frozen=True)
class Family:
    """What bare-metal cores have in common: start-up code below runtime/port, the prefix of the compiler's tools, and
    how programs are built without that compiler's C library, if they are."""

    startup: str
    tools: str
    flags: tuple[str, ...] = ()
    own_memory: bool = False  # brings the memory functions that a compiler may call


# No table of small data; the memory functions must not be recognised as loops that call themselves.
RISCV_FLAGS = ("-mcmodel=medany", "-mno-relax", "-msmall-data-limit=0", "-fno-tree-loop-distribute-patterns")
FAMILIES = {
    "cortex-m": Family("cortex_m", "arm-none-eabi", ("-fno-tree-loop-distribute-patterns",), own_memory=True),
    "riscv": Family("riscv", "riscv64-unknown-elf", RISCV_FLAGS, own_memory=True),
}


@dataclass(frozen=True)
class Contract:
    """What a firmware must know of its contract. `digest` is that of the contract's canonical JSON."""

    digest: str
    arena_bytes: int
    frame_values: int
    rate_millihz: int
    summary: tuple[str, ...]
    channels: tuple[str, ...] = ()
    full_scale: tuple[float, ...] = ()


def read_contract(value: object) -> Contract:
    """Checks a contract's JSON as far as a firmware depends on it. Raises SpecError naming the field."""
    if not isinstance(value, dict) or not isinstance(value.get("input"), dict):
        raise SpecError("contract.json: not a contract: an object with an input is missing")
    if value.get("abi") != 1:
        raise SpecError(f"contract.json: abi is {value.get('abi')!r}, this firmware speaks 1")
    given = value["input"]
    return Contract(
        digest=digest_json(value),
        arena_bytes=_integer(value, "arena_bytes", 1, 1 << 30),
        frame_values=_integer({"input.frame_values": given.get("frame_values") or 0}, "input.frame_values", 0),
        rate_millihz=_rate_millihz(given.get("rate_hz")),
        summary=tuple(_summary(value)),
        channels=tuple(map(str, given.get("channels") or ())),
        full_scale=tuple(map(float, given.get("full_scale") or ())),
    )


def _integer(value: Mapping[str, Any], name: str, least: int, most: int = FRAME_VALUES_MAX) -> int:
    found = value.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
        raise SpecError(f"contract.json: {name} is {found!r}, expected a number from {least} to {most}")
    return found


def _rate_millihz(rate_hz: object) -> int:
    """0 where the contract names no rate. Raises SpecError for what is none."""
    if rate_hz is None:
        return 0
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, int | float) or not 0 < rate_hz <= RATE_HZ_MAX:
        raise SpecError(f"contract.json: input.rate_hz is {rate_hz!r}, expected a number up to {RATE_HZ_MAX:,}")
    return round(rate_hz * 1000)


def _summary(value: JsonObject) -> list[str]:
    """The contract as lines for people: one a field, in the order of its names."""
    lines = []
    for part in ("input", "output"):
        fields = value.get(part)
        for name, item in sorted(fields.items()) if isinstance(fields, dict) else ():
            lines.append(f"{part}.{name}: {json.dumps(item, ensure_ascii=True)}")
    return lines


def render_project(
    *, board: str, spec: BoardSpec, fleet: str, sensor: JsonObject | str, contract: JsonObject
) -> dict[str, bytes]:
    """Every file of the project by its relative path, sorted; {} for a board with an operating system.

    Holds no weights, no secret and no path of this machine. Raises SpecError for a contract that does
    not belong to the board.
    """
    if spec.layout is None or spec.memory is None:
        return {}
    facts = read_contract(contract)
    if facts.arena_bytes != spec.layout.arena_bytes:
        raise SpecError(
            f"contract.json: its arena of {facts.arena_bytes} bytes is not {board}'s of {spec.layout.arena_bytes}",
            hint="compile the model for this board again",
        )
    common: dict[str, Any] = {"board": board, "fleet": fleet, "title": _comment(spec.title)}
    own = OWN_PROJECTS.get(spec.port)
    if own is None:
        return _bare_metal_project(board, spec, common, facts, sensor)
    files = own(board, spec, common, facts, sensor)
    if needs_twin_port(spec):
        twin = _bare_metal_project(board, spec, common, facts, sensor)
        files |= {f"{TWIN}/{name}": data for name, data in twin.items()}
    return dict(sorted(files.items()))


def _bare_metal_project(
    board: str, spec: BoardSpec, common: Mapping[str, Any], facts: Contract, sensor: JsonObject | str
) -> dict[str, bytes]:
    """For the board, where it has a port of its own, and for its twin's machine, where that is another."""
    assert spec.layout is not None
    envs, linked = _environments(board, spec), not spec.layout.model
    files = {
        "platformio.ini": _render(
            "platformio.ini.j2", **common, envs=envs, linked=linked, startup=family(spec.cpu).startup
        ),
        "include/contract.h": _render(
            "contract.h.j2", **common, **(_contract_values(facts, spec.layout) | _settings_values(spec))
        ),
        "src/main.c": _render(
            "main.c.j2",
            **common,
            linked=linked,
            settings=spec.layout.settings,
            sensor=_comment(_describe_sensor(sensor)),
        ),
    }
    kind = family(spec.cpu)
    for env in envs:
        files[f"boards/{env['board']}.json"] = _board_json(env, spec)
        files[env["ldscript"]] = _linker_script(env, spec.layout)
        files |= _sources(f"port/{env['port']}", f"src/{env['port']}")
    if spec.port == "nrf5":
        files["include/pins.h"] = _render("pins.h.j2", board=board, pins=_pins(board, spec))
    for header in HEADERS:
        files[f"include/tinyops/{header}"] = (RUNTIME / "include/tinyops" / header).read_bytes()
    files |= (
        _sources("app", "src/app")
        | _sources("smp", "src/smp")
        | _sources("settings", "src/settings")
        | _sources(f"port/{kind.startup}", f"src/{kind.startup}")
    )
    if kind.own_memory:
        for source in ("memory.c", "freestanding/string.h"):
            files[f"src/{kind.startup}/{PurePosixPath(source).name}"] = (RUNTIME / "image" / source).read_bytes()
        files["include/tinyops/internal.h"] = (RUNTIME / "include/tinyops/internal.h").read_bytes()
    return dict(sorted(files.items()))


def _settings_values(spec: BoardSpec) -> dict[str, Any]:
    """Where the board keeps its settings; `unit` is room for a header and for whole program units."""
    assert spec.layout is not None and spec.memory is not None
    region = spec.layout.settings
    units = [f.program_bytes for f in spec.memory.flash if region and f.origin <= region.origin < f.end]
    return {"settings": region, "settings_unit": -(-32 // units[0]) * units[0] if units else 0}


def family(cpu: str) -> Family:
    """Raises SpecError for a core that has no bare-metal firmware."""
    for name, found in FAMILIES.items():
        if cpu.startswith(name):
            return found
    raise SpecError(f"there is no bare-metal firmware for a {cpu}", hint=f"for {', '.join(FAMILIES)} there is")


def builds_here(spec: BoardSpec) -> bool:
    """Whether the board's own firmware can be built with what the lock names; else its project is only rendered."""
    return spec.port in BARE_METAL_PORTS or (spec.port == "arduino" and arduino.builds_locally(spec))


def needs_twin_port(spec: BoardSpec) -> bool:
    return spec.twin.kind == "qemu" and not spec.twin.same_machine


def environments(board: str, spec: BoardSpec) -> dict[str, str]:
    """What PlatformIO builds for a board, the board's own first: each environment's folder in the project."""
    found = {board: "."} if builds_here(spec) else {}
    return {**found, TWIN: TWIN if spec.port in OWN_PROJECTS else "."} if needs_twin_port(spec) else found


def _arduino_project(
    board: str, spec: BoardSpec, common: Mapping[str, Any], facts: Contract, sensor: JsonObject | str
) -> dict[str, bytes]:
    assert spec.layout is not None
    driver = arduino.driver_of(board, spec, sensor, facts.channels, facts.full_scale)
    described = arduino.describe(driver) if driver else _describe_sensor(sensor)
    files = {
        "platformio.ini": _render(
            "arduino.ini.j2",
            **common,
            envs=arduino.environments(board, spec, driver),
            model=next(iter(spec.layout.model), None),
        ),
        "include/contract.h": _render("contract.h.j2", **common, **_contract_values(facts, spec.layout)),
        "src/main.cpp": _render(
            "main.cpp.j2", **common, linked=not spec.layout.model, sensor=_comment(described), driver=driver
        ),
        **arduino.board_json(board, spec),
        **{f"include/tinyops/{header}": (RUNTIME / "include/tinyops" / header).read_bytes() for header in HEADERS},
        **_sources("app", "src/app"),
        **_sources("smp", "src/smp"),
        **_sources("port/arduino", "src/arduino"),
        **({f"src/arduino/{n}": (RUNTIME / arduino.SENSORS / n).read_bytes() for n in driver.files} if driver else {}),
    }
    return dict(sorted(files.items()))


def _library_project(
    _: str, spec: BoardSpec, common: Mapping[str, Any], facts: Contract, sensor: JsonObject | str
) -> dict[str, bytes]:
    """Sources and CMake for an SDK that PlatformIO does not know; the port is the SDK's program's to write."""
    assert spec.layout is not None
    linked, described = not spec.layout.model, _comment(_describe_sensor(sensor))
    files = {
        "CMakeLists.txt": _render("CMakeLists.txt.j2", **common),
        "include/contract.h": _render("contract.h.j2", **common, **_contract_values(facts, spec.layout)),
        "include/firmware.h": _render("library.h.j2", **common),
        "src/firmware.c": _render("library.c.j2", **common, linked=linked, sensor=described),
        **{f"include/tinyops/{header}": (RUNTIME / "include/tinyops" / header).read_bytes() for header in HEADERS},
        **_sources("app", "src/app"),
        **_sources("smp", "src/smp"),
    }
    return dict(sorted(files.items()))


# Ports whose project is not a bare-metal one; that of a twin on another machine lies in its own folder beside it.
OWN_PROJECTS: Mapping[str, Project] = {"arduino": _arduino_project, "library": _library_project}
PROJECT_FILES = ("platformio.ini", "CMakeLists.txt")


def with_model(files: Mapping[str, bytes], inputs: Mapping[str, Path]) -> dict[str, bytes]:
    """The projects with a compile step's C in src/model. Raises SpecError when that is not among the inputs."""
    if "model.c" not in inputs:
        raise SpecError("firmware: model.c is missing among the inputs", hint="the inputs are all outputs of compile")
    found = dict(files)
    projects = [PurePosixPath(name).parent for name in files if PurePosixPath(name).name in PROJECT_FILES]
    for name, path in inputs.items():
        source = PurePosixPath(name)
        if source.suffix not in (".c", ".h"):
            continue
        if source.is_absolute() or ".." in source.parts:
            raise SpecError(f"firmware: file name {name!r} leads out of the project")
        for project in projects:
            found[str(project / "src/model" / source)] = read_bounded(path, SOURCE_LIMIT_BYTES)
    return dict(sorted(found.items()))


def _environments(board: str, spec: BoardSpec) -> list[dict[str, Any]]:
    assert spec.layout is not None and spec.memory is not None
    own = {
        "name": board,
        "title": "The board itself.",
        "board": f"tinyops-{board}",
        "port": spec.port,
        "flags": f" -D TINYOPS_HAS_VTOR={int(bool(spec.vtor))}",
        "ldscript": f"link/{board}.ld",
        "flash": spec.layout.firmware[0],
        "model": spec.layout.model[0] if spec.layout.model else None,
        "ram": spec.memory.ram,
    }
    found = [own] if spec.port in BARE_METAL_PORTS else []
    return [*found, _twin_environment(spec)] if needs_twin_port(spec) else found


def _twin_environment(spec: BoardSpec) -> dict[str, Any]:
    """As large as the board's own; what the machine has elsewhere lies elsewhere."""
    assert spec.layout is not None and spec.memory is not None
    machine = QEMU[spec.twin.machine]
    placed = place(machine, spec.memory, spec.layout)
    return {
        "name": TWIN,
        "title": f"Its twin: the same source on QEMU's {spec.twin.machine}. Never to be flashed.",
        "board": f"tinyops-{spec.twin.machine}",
        "port": machine.port,
        "flags": " -D TINYOPS_HAS_VTOR=1",
        "ldscript": "link/twin.ld",
        "flash": placed.firmware,
        "model": placed.model,
        "ram": placed.ram,
    }


def _contract_values(facts: Contract, layout: Layout) -> dict[str, Any]:
    raw = bytes.fromhex(facts.digest.removeprefix("sha256:"))
    rows = [", ".join(f"0x{byte:02x}" for byte in raw[at : at + 8]) for at in range(0, len(raw), 8)]
    return {
        "settings": None,  # of forms that keep none; the bare one overrides it
        "firmware_version": FIRMWARE_VERSION,
        "digest": facts.digest,
        "digest_rows": rows,
        "summary": [_comment(line) for line in facts.summary],
        "model": layout.model[0] if layout.model else None,
        "arena_bytes": facts.arena_bytes,
        "frame_values": max(facts.frame_values, 1),
        "rate_millihz": facts.rate_millihz,
    }


def _board_json(env: Mapping[str, Any], spec: BoardSpec) -> bytes:
    """PlatformIO's own description of the board; sizes are checked by tinyops, from the ELF."""
    kind = family(spec.cpu)
    build: JsonObject = {
        "cpu": spec.cpu,
        "cpu_flags": [*CPU_FLAGS[spec.cpu], *kind.flags],
        "mcu": spec.mcu.lower(),
        "tools": kind.tools,
        "c_library": not kind.own_memory,
    }
    if env["port"] in UF2_FAMILIES:
        build |= {"flash_origin": env["flash"].origin, "uf2_family": UF2_FAMILIES[env["port"]]}
    return pretty_json(
        {
            "build": build,
            "frameworks": [],
            "name": f"{spec.title} ({env['name']})",
            "upload": {"maximum_ram_size": env["ram"].bytes, "maximum_size": env["flash"].bytes},
            "url": "",
            "vendor": "tinyops",
        }
    )


def _linker_script(env: Mapping[str, Any], layout: Layout) -> bytes:
    names = {name: env[name] for name in ("flash", "model", "ram")}
    boot2 = env["port"] in UF2_FAMILIES
    return _render("link.ld.j2", title=_comment(env["title"]), stack_bytes=layout.stack_bytes, boot2=boot2, **names)


def _pins(board: str, spec: BoardSpec) -> list[tuple[str, JsonObject]]:
    if spec.pins is None:
        raise SpecError(
            f"{board}: the nrf5 port does not know the pins of its serial line",
            hint="add to the board's file: pins: {tx: {port: 0, pin: 6}, rx: {port: 1, pin: 8}}",
        )
    pins = []
    for name, pin in spec.pins:
        if pin is None:
            continue
        if pin.port >= len(GPIO_BASES):
            raise SpecError(f"{board}: pins: the chips of the nrf5 port have no port {pin.port}")
        gpio, select = GPIO_BASES[pin.port], pin.port * 32 + pin.pin
        values = {**pin.model_dump(), "label": _comment(pin.label), "gpio": gpio, "select": select}
        pins.append((name.upper(), values))
    return pins


def _describe_sensor(sensor: JsonObject | str) -> str:
    if isinstance(sensor, dict) and sensor.get("kind") == "stream":
        return "frames sent by the host over the link"
    name = sensor if isinstance(sensor, str) else sensor.get("name", sensor.get("kind", "?"))
    return f"{name}; this version has no driver for it and takes frames from the host over the link"


def _sources(source: str, folder: str) -> dict[str, bytes]:
    """The C of one folder of the runtime, under its place in the project."""
    found = sorted(p for p in (RUNTIME / source).iterdir() if p.suffix in {".c", ".cpp", ".h"})
    return {f"{folder}/{p.name}": p.read_bytes() for p in found}


def _comment(text: str) -> str:
    """Text that can end neither a line nor a comment."""
    return re.sub(r"\*+/|/\*+", "-", " ".join(text.split()))


def _render(template: str, **values: Any) -> bytes:
    text: str = _environment().get_template(template).render(**values)
    return text.encode()


@cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(PACKAGE / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  C, not HTML; text from outside goes through _comment
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
