"""The bare-metal form: a PlatformIO project whose start-up code and drivers are ours, for a board and its twin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from tinyops.boards.bauds import cannot_run_at
from tinyops.boards.layout import Layout, Region
from tinyops.boards.machines import QEMU, place
from tinyops.boards.model import BARE_METAL_PORTS, BoardSpec
from tinyops.errors import SpecError
from tinyops.files import JsonObject, pretty_json
from tinyops.firmware import building, collector, uf2
from tinyops.firmware.bare_driver import BareDriver, bare_driver_of, driver_files
from tinyops.firmware.building import TWIN
from tinyops.firmware.chained import BAUD
from tinyops.firmware.contract import Contract
from tinyops.firmware.forms import own_bootloader
from tinyops.firmware.forms.form import Form, Request, Work
from tinyops.firmware.project import RUNTIME, chain_files, contract_values, describe_sensor, headers, names, sources
from tinyops.firmware.slots import are_linked, firmware_regions, is_scarce, model_region, takes_deltas
from tinyops.firmware.templating import comment, render
from tinyops.link.smp.definition import MESSAGE_LARGE, MESSAGE_MAX, MESSAGE_MIN
from tinyops.toolchain import CPU_FLAGS

LARGE_RAM_BYTES = 128 * 1024  # from here on there is room for large messages
TWIN_CALLS = "twin"  # below runtime/port: what a twin's port asks of its emulator
# Ports of the runtime that are told what hangs on their pins, and where their chips' GPIO ports lie.
GPIO_BASES = {"nrf5": (0x50000000, 0x50000300), "rp2040": (0,)}
# Ports of chips whose boot ROM starts a second stage at the start of flash, and takes UF2 files of this family.
UF2_PORTS = {"rp2040": uf2.FAMILIES["RP2040"]}


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


class BareMetalForm(Form):
    """For every board that no other form serves, and for twins on other machines."""

    def serves(self, spec: BoardSpec) -> bool:
        return spec.layout is not None

    def render(self, request: Request) -> dict[str, bytes]:
        return render_bare_metal(request, request.fitting_contract())

    def build(self, work: Work) -> JsonObject:
        port = work.request.spec.port
        packed = port in UF2_PORTS and work.request.layout.own_bootloader is None
        suffixes = (*building.SUFFIXES, ".uf2") if packed else building.SUFFIXES
        return building.build(work, building.Target(own=port in BARE_METAL_PORTS, twin_folder=".", suffixes=suffixes))


def twin_project(request: Request, facts: Contract) -> dict[str, bytes]:
    """The bare-metal project of another form's twin, in its own folder; {} where the twin needs none."""
    if not building.needs_twin_port(request.spec):
        return {}
    if are_linked(request.layout):  # what replaces images is proved elsewhere: the twin has one model
        layout = request.layout.model_copy(update={"state": None})
        request = replace(request, spec=request.spec.model_copy(update={"layout": layout}))
    return {f"{TWIN}/{name}": data for name, data in render_bare_metal(request, facts).items()}


def render_bare_metal(request: Request, facts: Contract) -> dict[str, bytes]:
    """For the board, where it has a port of its own, and for its twin's machine, where that is another."""
    spec, layout, kind = request.spec, request.layout, family(request.spec.cpu)
    driver = bare_driver_of(request.board, spec, request.sensor, facts.channels, facts.full_scale)
    envs = _environments(request.board, spec, driver)
    bootloaders = _bootloaders(envs, kind)
    program = _collector if request.collects else _application
    files = program(request, facts, envs, kind, driver)
    files |= driver_files(driver)
    files |= own_bootloader.files_of(request.board, spec, bootloaders)
    for env in bootloaders:
        files[f"boards/{env['board']}.json"] = _board_json(env, spec, bootloader=True)
    for env in envs:
        files[f"boards/{env['board']}.json"] = _board_json(env, spec)
        files |= _linker_scripts(env, layout)
        files |= sources(f"port/{env['port']}", f"src/{env['port']}")
        files |= sources(f"port/{TWIN_CALLS}", f"src/{TWIN_CALLS}") if env["twin"] else {}
    if spec.port in GPIO_BASES:
        files["include/pins.h"] = render("pins.h.j2", board=request.board, pins=_pins(request.board, _on_pins(request)))
    for source in ("bare", kind.startup):
        files |= sources(f"port/{source}", f"src/{kind.startup}")
    return dict(sorted((files | _own_memory(kind)).items()))


def _collector(
    request: Request, facts: Contract, envs: list[dict[str, Any]], kind: Family, driver: BareDriver | None
) -> dict[str, bytes]:
    """What a collector is made of, beside the port."""
    baud = f" -D TINYOPS_BAUD={request.spec.collector_baud}"
    envs = [{**env, "flags": env["flags"] + baud} for env in envs]
    sections = {
        "envs": envs,
        "chain": None,
        "bootloaders": [],
        "linked": False,
        "deltas": False,
        "startup": kind.startup,
    }
    values = collector.signal_values(request, facts) | {"driver": driver}
    values["sensor"] = driver.title if driver else collector.describe_input(request.sensor)
    return {
        "platformio.ini": render("platformio.ini.j2", **names(request), **sections, collects=True),
        "src/main.c": render("collector.c.j2", **values),
        **collector.signal_header(request, facts),
        **collector.parts(),
    }


def _application(
    request: Request, facts: Contract, envs: list[dict[str, Any]], kind: Family, driver: BareDriver | None
) -> dict[str, bytes]:
    """What an application is made of, beside the port."""
    envs = [{**env, "flags": env["flags"] + _rates(request, env["port"])} for env in envs]
    files = _programs(request, facts, envs, kind, driver) | headers()
    for folder in ("app", "smp", "digest", "settings"):
        files |= sources(folder, f"src/{folder}")
    if any(env["scarce"] for env in envs):
        files |= sources("settings/of_boot", "src/of_boot")
    if _takes_deltas(request.spec):
        files |= sources("delta", "src/delta")
    if request.chain is not None:
        files |= chain_files()
    return files


def _programs(
    request: Request, facts: Contract, envs: list[dict[str, Any]], kind: Family, driver: BareDriver | None
) -> dict[str, bytes]:
    """What the templates make: the project's settings, the contract's header, the main program."""
    common, layout, linked = names(request), request.layout, not request.layout.model
    values = contract_values(facts, layout) | settings_values(request.spec)
    values |= {"message_bytes": message_bytes(request.spec, in_chain=request.chain is not None)}
    given = {
        "linked": linked,
        "slots": layout.own_bootloader is not None,
        "deltas": _takes_deltas(request.spec),
        "sensor": driver.title if driver else describe_sensor(request.sensor),
        "driver": driver,
        "dark": request.dark,
        "chain": request.chain,
    }
    sections: dict[str, Any] = {
        "chain": request.chain,
        "envs": envs,
        "bootloaders": _bootloaders(envs, kind),
        "collects": False,
        "linked": linked,
        "startup": kind.startup,
    }
    sections["deltas"] = given["deltas"]
    return {
        "platformio.ini": render("platformio.ini.j2", **common, **sections),
        "include/contract.h": render("contract.h.j2", **common, **values),
        "src/main.c": render("main.c.j2", **common, **given, settings=layout.settings),
    }


def _rates(request: Request, port: str) -> str:
    """Of a part's serial lines, as flags. Raises SpecError for one that the port's chips cannot run at."""
    place, flags = request.chain, ""
    if place is None:
        return flags
    for rate, name in ((place.downstream_baud, "TINYOPS_BAUD"), (place.upstream_baud, "TINYOPS_UPSTREAM_BAUD")):
        if known := cannot_run_at(port, rate):
            raise SpecError(f"{request.board}: its serial lines cannot run at {rate} baud", hint=f"baud: {known}")
        flags += f" -D {name}={rate}" if rate != BAUD else ""
    return flags


def _takes_deltas(spec: BoardSpec) -> bool:
    """Only where a bootloader of ours has what replaces images; a twin of another form's has one model."""
    return spec.layout is not None and spec.layout.own_bootloader is not None and takes_deltas(spec)


def _own_memory(kind: Family) -> dict[str, bytes]:
    """The memory functions, for cores that bring their own."""
    if not kind.own_memory:
        return {}
    files = {
        f"src/{kind.startup}/{PurePosixPath(source).name}": (RUNTIME / "image" / source).read_bytes()
        for source in ("memory.c", "freestanding/string.h")
    }
    return files | {"include/tinyops/internal.h": (RUNTIME / "include/tinyops/internal.h").read_bytes()}


def settings_values(spec: BoardSpec) -> dict[str, Any]:
    """Where the board keeps its settings; `unit` is room for a header and for whole program units."""
    flash = spec.settings_flash
    unit = flash.program_bytes if flash else 1
    return {"settings": flash, "settings_unit": -(-32 // unit) * unit}


def message_bytes(spec: BoardSpec, *, in_chain: bool = False) -> int:
    """Room for a message of SMP: the larger it is, the fewer turns an upload takes. A part of a chain has less RAM."""
    if spec.layout is None or spec.memory is None or spec.layout.state is None:
        return MESSAGE_MIN
    if spec.memory.ram.bytes >= LARGE_RAM_BYTES:
        return MESSAGE_LARGE
    return MESSAGE_MAX // 2 if in_chain else MESSAGE_MAX


def family(cpu: str) -> Family:
    """Raises SpecError for a core that has no bare-metal firmware."""
    for name, found in FAMILIES.items():
        if cpu.startswith(name):
            return found
    raise SpecError(f"there is no bare-metal firmware for a {cpu}", hint=f"for {', '.join(FAMILIES)} there is")


def _environments(board: str, spec: BoardSpec, driver: BareDriver | None = None) -> list[dict[str, Any]]:
    assert spec.layout is not None and spec.memory is not None
    own = {
        "name": board,
        "title": "The board itself.",
        "board": f"tinyops-{board}",
        "port": spec.port,
        "twin": False,
        "sensor": driver is not None,
        "flags": f" -D TINYOPS_HAS_VTOR={int(bool(spec.vtor))}",
        **_places(board, spec.layout, spec.layout.firmware, spec.layout.model),
        "ram": spec.memory.ram,
        "own": spec.layout.own_bootloader,
    }
    found = [own] if spec.port in BARE_METAL_PORTS else []
    return [*found, _twin_environment(spec)] if building.needs_twin_port(spec) else found


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
        "twin": True,
        "sensor": False,
        "flags": f" -D TINYOPS_HAS_VTOR=1 -I src/{TWIN_CALLS}{_flash_flags(spec)}",
        **_places(TWIN, spec.layout, placed.firmware, placed.model),
        "ram": placed.ram,
        "own": placed.bootloader,
    }


def _places(name: str, layout: Layout, firmware: tuple[Region, ...], model: tuple[Region, ...]) -> dict[str, Any]:
    """Where a firmware lies, a linker script for each slot, and where its model does."""
    regions = firmware_regions(layout, firmware)
    scripts = [f"link/{name}{suffix}.ld" for suffix in ("", "_b")][: len(regions)]
    return {
        "ldscript": scripts[0],
        "ldscript_b": scripts[1] if scripts[1:] else "",
        "flash": regions[0],
        "linked": dict(zip(scripts, regions, strict=True)),
        "scarce": is_scarce(layout),
        "model": model_region(layout, model),
        "model_b": model_region(layout, model, 1) if layout.own_bootloader is not None else None,
    }


def _bootloaders(envs: list[dict[str, Any]], kind: Family) -> list[dict[str, Any]]:
    """The environments of our bootloader: for the board, and for its twin's machine."""
    return [own_bootloader.environment(env, env["own"], kind.startup) for env in envs if env["own"] is not None]


def _flash_flags(spec: BoardSpec) -> str:
    """The geometry of the flash that the twin's emulator has for the board's settings."""
    flash = spec.settings_flash
    if flash is None:
        return ""
    return f" -D TINYOPS_TWIN_ERASE_BYTES={flash.erase_bytes} -D TINYOPS_TWIN_PROGRAM_BYTES={flash.program_bytes}"


def _board_json(env: Mapping[str, Any], spec: BoardSpec, *, bootloader: bool = False) -> bytes:
    """PlatformIO's own description of the board; sizes are checked by tinyops, from the ELF."""
    kind = family(spec.cpu)
    build: JsonObject = {
        "cpu": spec.cpu,
        "cpu_flags": [*(_without_floats(spec.cpu) if bootloader else CPU_FLAGS[spec.cpu]), *kind.flags],
        "mcu": spec.mcu.lower(),
        "tools": kind.tools,
        "c_library": not kind.own_memory,
    }
    if bootloader or env["scarce"]:
        build |= {"whole_program": True}
    if env["scarce"] and not bootloader:
        build |= {"scarce_flash": True}
    if env["port"] in UF2_PORTS and (bootloader or env["own"] is None):
        build |= {"seal_boot2": True}
    if env["port"] in UF2_PORTS and not bootloader and env["own"] is None:
        build |= {"flash_origin": env["flash"].origin, "uf2_family": UF2_PORTS[env["port"]]}
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


def _without_floats(cpu: str) -> tuple[str, ...]:
    """A bootloader runs before a floating-point unit is switched on."""
    plain = tuple(flag for flag in CPU_FLAGS[cpu] if not flag.startswith(("-mfpu", "-mfloat-abi")))
    return plain if plain == CPU_FLAGS[cpu] else (*plain, "-mfloat-abi=soft")


def _linker_scripts(env: Mapping[str, Any], layout: Layout) -> dict[str, bytes]:
    """One for each slot that a firmware is linked for."""
    given = {
        "title": comment(env["title"]),
        "stack_bytes": layout.stack_bytes,
        "model": env["model"],
        "model_b": env["model_b"],
        "ram": env["ram"],
    }
    ramcode = env["port"] in UF2_PORTS
    given |= own_bootloader.memory_values(env["own"], env["port"]) | {
        "ramcode": ramcode,
        "boot2": ramcode and env["own"] is None,
    }
    return {name: render("link.ld.j2", flash=flash, **given) for name, flash in env["linked"].items()}


def _on_pins(request: Request) -> BoardSpec:
    """The board with its line where the next part of a chain is: on other pins, where that takes no USB line. A first
    part has those of the part before to spare."""
    pins, place = request.spec.pins, request.chain
    if pins is None:
        return request.spec
    found = pins.model_copy(update={"downstream_tx": None, "downstream_rx": None})
    if place is not None and place.downstream_wired:
        spare = (pins.upstream_tx, pins.upstream_rx) if place.first else (None, None)
        tx, rx = (one or other for one, other in zip(spare, (pins.downstream_tx, pins.downstream_rx), strict=True))
        unused = {"upstream_tx": None, "upstream_rx": None} if place.first else {}
        found = found.model_copy(update={"tx": tx, "rx": rx, **unused})
    return request.spec.model_copy(update={"pins": found})


def _pins(board: str, spec: BoardSpec) -> list[tuple[str, JsonObject]]:
    if spec.port == "nrf5" and (spec.pins is None or spec.pins.tx is None or spec.pins.rx is None):
        raise SpecError(
            f"{board}: the nrf5 port does not know the pins of its serial line",
            hint="add to the board's file: pins: {tx: {port: 0, pin: 6}, rx: {port: 1, pin: 8}}",
        )
    bases, found = GPIO_BASES[spec.port], []
    for name, pin in spec.pins or ():
        if pin is None:
            continue
        if pin.port >= len(bases):
            raise SpecError(f"{board}: pins: the chips of the {spec.port} port have no port {pin.port}")
        title = f"P{pin.port}.{pin.pin:02}" if len(bases) > 1 else f"GP{pin.pin}"
        places = {"title": title, "gpio": bases[pin.port], "select": pin.port * 32 + pin.pin}
        found.append((name.upper(), {**pin.model_dump(), "label": comment(pin.label), **places}))
    return found
