"""Rendering a firmware's PlatformIO project: a pure function of board, contract, templates and the C runtime."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from tinyops.boards.layout import Layout, Region
from tinyops.boards.model import BoardSpec
from tinyops.errors import SpecError
from tinyops.files import MIB, JsonObject, digest_json, pretty_json, read_bounded
from tinyops.firmware.forms import arduino
from tinyops.toolchain import CPU_FLAGS

PACKAGE = Path(__file__).parent
RUNTIME = PACKAGE.parent / "runtime"
PORTS = ("cortex_m", "mps2", "nrf5", "rp2040")
HEADERS = ("app.h", "link.h", "model.h", "port.h")
GPIO_BASES = (0x50000000, 0x50000300)  # nRF5: port 0 and 1
# A chip whose boot ROM starts a second stage at the start of flash, and takes UF2 files of this family.
UF2_FAMILIES = {"rp2040": 0xE48BFF56}
FRAME_VALUES_MAX = 1 << 20
SOURCE_LIMIT_BYTES = 64 * MIB

TWIN_PORTS = {"mps2-an386": "mps2"}  # the port that runs on each machine that is no board's own
TWIN_FLASH_BYTES = 4 * 1024 * 1024  # mps2-an386: memory at 0, where it starts
TWIN_RAM = Region(origin=0x20000000, bytes=4 * 1024 * 1024)


@dataclass(frozen=True)
class Contract:
    """What a firmware must know of its contract. `digest` is that of the contract's canonical JSON."""

    digest: str
    arena_bytes: int
    frame_values: int
    summary: tuple[str, ...]


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
        summary=tuple(_summary(value)),
    )


def _integer(value: Mapping[str, Any], name: str, least: int, most: int = FRAME_VALUES_MAX) -> int:
    found = value.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
        raise SpecError(f"contract.json: {name} is {found!r}, expected a number from {least} to {most}")
    return found


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
    if spec.port == "arduino":
        return _arduino_project(board, spec, common, facts, sensor)
    envs, linked = _environments(board, spec), not spec.layout.model
    files = {
        "platformio.ini": _render("platformio.ini.j2", **common, envs=envs, linked=linked),
        "include/contract.h": _render("contract.h.j2", **common, **_contract_values(facts, spec.layout)),
        "src/main.c": _render("main.c.j2", **common, linked=linked, sensor=_comment(_describe_sensor(sensor))),
    }
    for env in envs:
        files[f"boards/{env['board']}.json"] = _board_json(env, spec)
        files[env["ldscript"]] = _linker_script(env, spec.layout)
        files |= _sources(f"port/{env['port']}", f"src/{env['port']}")
    if spec.port == "nrf5":
        files["include/pins.h"] = _render("pins.h.j2", board=board, pins=_pins(board))
    for header in HEADERS:
        files[f"include/tinyops/{header}"] = (RUNTIME / "include/tinyops" / header).read_bytes()
    files |= _sources("app", "src/app") | _sources("port/cortex_m", "src/cortex_m")
    return dict(sorted(files.items()))


def _arduino_project(
    board: str, spec: BoardSpec, common: Mapping[str, Any], facts: Contract, sensor: JsonObject | str
) -> dict[str, bytes]:
    assert spec.layout is not None
    files = {
        "platformio.ini": _render("arduino.ini.j2", **common, envs=arduino.environments(board, spec)),
        "include/contract.h": _render("contract.h.j2", **common, **_contract_values(facts, spec.layout)),
        "src/main.cpp": _render("main.cpp.j2", **common, sensor=_comment(_describe_sensor(sensor))),
        **arduino.board_json(board, spec),
        **{f"include/tinyops/{header}": (RUNTIME / "include/tinyops" / header).read_bytes() for header in HEADERS},
        **_sources("app", "src/app"),
        **_sources("port/arduino", "src/arduino"),
    }
    return dict(sorted(files.items()))


def with_model(files: Mapping[str, bytes], inputs: Mapping[str, Path]) -> dict[str, bytes]:
    """The project with a compile step's C in src/model. Raises SpecError when that is not among the inputs."""
    if "model.c" not in inputs:
        raise SpecError("firmware: model.c is missing among the inputs", hint="the inputs are all outputs of compile")
    found = dict(files)
    for name, path in inputs.items():
        place = PurePosixPath(name)
        if place.suffix not in (".c", ".h"):
            continue
        if place.is_absolute() or ".." in place.parts:
            raise SpecError(f"firmware: file name {name!r} leads out of the project")
        found[f"src/model/{place}"] = read_bounded(path, SOURCE_LIMIT_BYTES)
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
        "ram": spec.memory.ram,
    }
    if spec.twin.kind != "qemu" or spec.twin.same_machine:
        return [own]
    if spec.twin.machine not in TWIN_PORTS:
        raise SpecError(
            f"{board}: no port runs on the twin's machine {spec.twin.machine!r}",
            hint=f"machines with a port: {', '.join(sorted(TWIN_PORTS))}",
        )
    # The machine starts at address 0; slot sizes, model slot and RAM are the board's.
    flash = Region(origin=0, bytes=spec.layout.firmware[0].bytes)
    _check_twin_memory(board, flash, spec.layout.model[0], spec.memory.ram)
    twin = {
        "name": "twin",
        "title": f"Its twin: the same source on QEMU's {spec.twin.machine}. Never to be flashed.",
        "board": f"tinyops-{spec.twin.machine}",
        "port": TWIN_PORTS[spec.twin.machine],
        "flags": " -D TINYOPS_HAS_VTOR=1",
        "ldscript": "link/twin.ld",
        "flash": flash,
        "ram": spec.memory.ram,
    }
    return [own, twin]


def _check_twin_memory(board: str, flash: Region, model: Region, ram: Region) -> None:
    if model.origin < flash.end or model.end > TWIN_FLASH_BYTES:
        raise SpecError(f"{board}: its model slot at {model.origin:#x} does not fit the memory of its twin's machine")
    if ram.origin < TWIN_RAM.origin or ram.end > TWIN_RAM.end:
        raise SpecError(f"{board}: its RAM at {ram.origin:#x} lies outside the RAM of its twin's machine")


def _contract_values(facts: Contract, layout: Layout) -> dict[str, Any]:
    raw = bytes.fromhex(facts.digest.removeprefix("sha256:"))
    rows = [", ".join(f"0x{byte:02x}" for byte in raw[at : at + 8]) for at in range(0, len(raw), 8)]
    return {
        "digest": facts.digest,
        "digest_rows": rows,
        "summary": [_comment(line) for line in facts.summary],
        "model": layout.model[0] if layout.model else None,
        "arena_bytes": facts.arena_bytes,
        "frame_values": max(facts.frame_values, 1),
    }


def _board_json(env: Mapping[str, Any], spec: BoardSpec) -> bytes:
    """PlatformIO's own description of the board; sizes are checked by tinyops, from the ELF."""
    build: JsonObject = {"cpu": spec.cpu, "cpu_flags": list(CPU_FLAGS[spec.cpu]), "mcu": spec.mcu.lower()}
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
    names = {name: env[name] for name in ("flash", "ram")}
    boot2 = env["port"] in UF2_FAMILIES
    return _render("link.ld.j2", title=_comment(env["title"]), stack_bytes=layout.stack_bytes, boot2=boot2, **names)


@cache
def _pin_table() -> JsonObject:
    table: JsonObject = json.loads((RUNTIME / "port/nrf5/pins.json").read_text())
    return table


def _pins(board: str) -> list[tuple[str, JsonObject]]:
    table = _pin_table()
    if board not in table:
        raise SpecError(
            f"{board}: the nrf5 port does not know the pins of its serial line",
            hint="add the board to tinyops/runtime/port/nrf5/pins.json",
        )
    pins = []
    for name in ("tx", "rx"):
        pin = table[board][name]
        gpio = GPIO_BASES[pin["port"]]
        pins.append((name.upper(), {**pin, "gpio": gpio, "select": pin["port"] * 32 + pin["pin"]}))
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
