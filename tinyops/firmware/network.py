"""Firmware of a device with a network: the application, lwIP, mbedTLS and the cycle that fetches models, for QEMU's
mps2-an386. lwIP and mbedTLS are fetched as pinned here and never copied into the repository."""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinyops.artifacts import Progress
from tinyops.boards.layout import Region
from tinyops.debian import fetch_originals, read_tree
from tinyops.fetching import Package
from tinyops.files import cache_folder, writing
from tinyops.firmware.fetched import signature_sources
from tinyops.firmware.project import FIRMWARE_VERSION, RUNTIME
from tinyops.process import run
from tinyops.toolchain import CPU_FLAGS, Tool, installed

LWIP = Package(
    "lwip", "2.1.3+dfsg1-2", "sha256:0a8276d09fc4e97bbba2f953d74af2388fc2195ea156be9d7589e297a68fde24", "tinyops"
)
MBEDTLS = Package(
    "mbedtls", "2.28.3-1", "sha256:3b4953aa55a681e084d31892d9904cc5328d6b4958ea57b90ae4b4f94ae69a8d", "tinyops"
)
FOLDERS = {LWIP.name: ("src/core", "src/netif", "src/include"), MBEDTLS.name: ("library", "include")}
LWIP_SOURCES = (
    *(f"src/core/{name}.c" for name in ("def", "dns", "inet_chksum", "init", "ip", "mem", "memp", "netif", "pbuf")),
    *(f"src/core/{name}.c" for name in ("tcp", "tcp_in", "tcp_out", "timeouts", "udp")),
    *(f"src/core/ipv4/{name}.c" for name in ("dhcp", "etharp", "icmp", "ip4", "ip4_addr")),
    "src/netif/ethernet.c",
)
MBEDTLS_MODULES = (
    *("aes", "asn1parse", "asn1write", "bignum", "cipher", "cipher_wrap", "constant_time", "ctr_drbg", "ecdh", "ecdsa"),
    *("ecp", "ecp_curves", "entropy", "gcm", "md", "memory_buffer_alloc", "oid", "pk", "pk_wrap", "pkparse"),
    *("platform", "platform_util", "rsa", "rsa_internal", "sha256", "sha512", "ssl_ciphersuites", "ssl_cli", "ssl_msg"),
    *("ssl_tls", "x509", "x509_crt"),
)
# Of ours, below runtime.
OWN = (
    *("app", "boot/table.c", "digest", "fetch", "port/bare", "port/cortex_m", "port/lwip", "port/mps2"),
    *("port/mps2/network", "port/twin", "settings", "signature", "smp", "update"),
)
CPU = "cortex-m4f"
TOOL = "arm-none-eabi-gcc"
BASE = (*CPU_FLAGS[CPU], "-Os", "-g", "-std=c99", "-ffunction-sections", "-fdata-sections", "-fno-common")
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
COMPILE_TIMEOUT_S = 120
CONFIG = "#define MBEDTLS_CONFIG_FILE <tls_config.h>\n"


MODEL_A, MODEL_B = (Region(origin=origin, bytes=0x40000) for origin in (0x21000000, 0x21040000))
STATE = Region(origin=0x21080000, bytes=0x2000)
SETTINGS = Region(origin=0x21082000, bytes=0x4000)
MEMORY = Region(origin=0x21086000, bytes=0x2000)


@dataclass(frozen=True)
class Places:
    """Where the device keeps what changes: memory of the machine that its emulator treats as flash."""

    models: tuple[Region, Region] = (MODEL_A, MODEL_B)
    state: Region = STATE
    settings: Region = SETTINGS
    memory: Region = MEMORY
    erase_bytes: int = 4096
    program_bytes: int = 4

    @property
    def all(self) -> Region:
        return Region(origin=self.models[0].origin, bytes=self.memory.end - self.models[0].origin)


@dataclass(frozen=True)
class Device:
    """What one firmware is built for. Times in milliseconds; `built` in seconds after 1970."""

    board: str
    fleet: str
    contract: bytes
    built: int
    arena_bytes: int
    frame_values: int = 1
    rate_millihz: int = 0
    interval_ms: int = 6 * 3600 * 1000
    retry_ms: int = 60 * 1000
    trial_ms: int = 10 * 1000
    idle_ms: int = 500  # a sleep's longest
    tls_heap_bytes: int = 40960
    message_bytes: int = 1024
    places: Places = field(default_factory=Places)


@dataclass(frozen=True)
class Part:
    """What a part of the firmware takes."""

    flash_bytes: int
    ram_bytes: int


def build(device: Device, folder: Path, report: Callable[[Progress], None], pins: Mapping[str, str]) -> Path:
    """The firmware's ELF, built in a folder; its map is beside it. `pins` are the lock's `sources`.

    Raises ToolError, and RemoteError for sources that cannot be fetched.
    """
    tool = installed(TOOL)
    library, vendor = _library(tool, report)
    signature = signature_sources(pins, report)
    (folder / "fetched").mkdir(parents=True, exist_ok=True)
    for name, data in signature.items():
        (folder / "fetched" / name).write_bytes(data)
    (folder / "places.h").write_text(_places(device))
    flags: list[str | Path] = [*BASE, *_includes(vendor), "-I", folder, "-DTINYOPS_HAS_VTOR=1"]
    flags += [f"-DTINYOPS_TWIN_ERASE_BYTES={device.places.erase_bytes}"]
    flags += [f"-DTINYOPS_TWIN_PROGRAM_BYTES={device.places.program_bytes}"]
    flags += [
        f"-DTINYOPS_IDLE_MS={device.idle_ms}",
        "-DTINYOPS_SETTINGS_VALUES_MAX=8160u",
        "-isystem",
        folder / "fetched",
    ]
    jobs = [(source, [*flags, *STRICT]) for source in _own_sources()]
    jobs += [(folder / "fetched" / name, [*flags, "-w"]) for name in signature if name.endswith(".c")]
    objects = _compile(tool, jobs, folder)
    elf = folder / "network.elf"
    link: list[str | Path] = ["-nostartfiles", "--specs=nano.specs", "-T", RUNTIME / "port/mps2/network/link.ld"]
    link += ["-Wl,--gc-sections", f"-Wl,-Map={elf.with_suffix('.map')}"]
    command = [tool.path, *CPU_FLAGS[CPU], *link, "-o", elf, *objects, library, "-lc", "-lgcc"]
    run(command, timeout_s=COMPILE_TIMEOUT_S, what="linking the device with a network")
    return elf


def _places(device: Device) -> str:
    """The text of places.h: the figures of main.c."""
    p = device.places
    contract = ", ".join(f"0x{byte:02x}" for byte in device.contract)
    slots = ", ".join(f"{{{slot.origin:#x}u, {slot.bytes}u}}" for slot in p.models)
    values = {
        "FIRMWARE_BOARD": f'"{device.board}"',
        "FIRMWARE_FLEET": f'"{device.fleet}"',
        "FIRMWARE_VERSION": f'"{FIRMWARE_VERSION}"',
        "CONTRACT_SHA256": f"{{{contract}}}",
        "SLOT_PLACES": f"{{{{{{{{0, 0}}, {{0, 0}}}}, {{{slots}}}}}, {{{p.state.origin:#x}u, {p.state.bytes}u}}}}",
        "SETTINGS_ORIGIN": f"{p.settings.origin:#x}u",
        "SETTINGS_BYTES": f"{p.settings.bytes}u",
        "SETTINGS_UNIT_BYTES": "64u",
        "SLOTS_UNIT_BYTES": "256u",
        "MEMORY_ORIGIN": f"{p.memory.origin:#x}u",
        "MEMORY_BYTES": f"{p.memory.bytes}u",
        "ARENA_BYTES": f"{device.arena_bytes}u",
        "FRAME_VALUES": f"{max(device.frame_values, 1)}u",
        "RATE_MILLIHZ": f"{device.rate_millihz}u",
        "SMP_MESSAGE_BYTES": f"{device.message_bytes}u",
        "TLS_HEAP_BYTES": f"{device.tls_heap_bytes}u",
        "BUILT_S": f"{device.built}u",
        "INTERVAL_MS": f"{device.interval_ms}u",
        "RETRY_MS": f"{device.retry_ms}u",
        "TRIAL_MS": f"{device.trial_ms}u",
    }
    lines = [f"#define {name} {value}" for name, value in values.items()]
    return "\n".join(["#ifndef TINYOPS_PLACES_H", "#define TINYOPS_PLACES_H", *lines, "#endif", ""])


def _own_sources() -> list[Path]:
    found = []
    for name in OWN:
        place = RUNTIME / name
        found += [place] if place.is_file() else sorted(place.glob("*.c"))
    return found


def _includes(vendor: Path) -> list[str | Path]:
    own = ("include", "port/lwip", "port/mps2", "port/mps2/network", "port/cortex_m", "port/bare", "port/twin")
    found: list[str | Path] = [option for name in own for option in ("-I", RUNTIME / name)]
    for name in ("lwip/src/include", "mbedtls/include"):
        found += ["-isystem", vendor / name]
    return [*found, "-include", vendor / "tls_is_configured.h"]


def _library(tool: Tool, report: Callable[[Progress], None]) -> tuple[Path, Path]:
    """lwIP and mbedTLS, compiled once for each configuration, and the folder that their headers lie in."""
    configuration = [RUNTIME / "port/lwip" / name for name in ("lwipopts.h", "tls_config.h", "arch/cc.h")]
    identity = hashlib.sha256(f"{tool.path}|{tool.version}|{BASE}|{LWIP.sha256}|{MBEDTLS.sha256}".encode())
    identity.update(f"{LWIP_SOURCES}|{MBEDTLS_MODULES}".encode())
    for path in configuration:
        identity.update(path.read_bytes())
    place = cache_folder() / "network" / identity.hexdigest()[:16]
    library = place / "libnetwork.a"
    if not library.is_file():
        archives = fetch_originals((LWIP, MBEDTLS), report)
        with writing(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent) as name:
                _make_library(tool, archives, Path(name) / "made")
                if not place.exists():
                    os.replace(Path(name) / "made", place)
    return library, place


def _make_library(tool: Tool, archives: Mapping[str, Path], folder: Path) -> None:
    for name, archive in archives.items():
        for path, data in read_tree(archive, FOLDERS[name]).items():
            (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / path).write_bytes(data)
    (folder / "tls_is_configured.h").write_text(CONFIG)
    flags = [*BASE, *_includes(folder), "-w"]
    names = (*(f"lwip/{name}" for name in LWIP_SOURCES), *(f"mbedtls/library/{name}.c" for name in MBEDTLS_MODULES))
    objects = _compile(tool, [(folder / name, flags) for name in names], folder)
    archiver = tool.path.with_name(tool.path.name.removesuffix("gcc") + "ar")
    run([archiver, "rcs", folder / "libnetwork.a", *objects], timeout_s=COMPILE_TIMEOUT_S, what="ar")


def _compile(tool: Tool, jobs: Sequence[tuple[Path, Sequence[str | Path]]], folder: Path) -> list[Path]:
    """An object for each source. Their names tell the parts of the firmware in its map."""
    made = folder / "objects"
    made.mkdir(exist_ok=True)

    def one(job: tuple[Path, Sequence[str | Path]]) -> Path:
        source, flags = job
        part = "-".join(source.with_suffix("").parts[-3:])
        run([tool.path, *flags, "-c", source, "-o", made / f"{part}.o"], timeout_s=COMPILE_TIMEOUT_S, what=source.name)
        return made / f"{part}.o"

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(one, jobs))


# Which part a section of an object belongs to; the first that matches. Main's buffers count where they are used.
PARTS: tuple[tuple[str, str], ...] = (
    ("arena of the model", r"^\.arena"),
    ("TLS", r"mbedtls|^\.bss\.heap\."),
    ("lwIP", r"lwip-src|src-core|core-ipv4|src-netif"),
    ("fetching", r"runtime-fetch|lwip-device|^\.bss\.device\."),
    ("connection and driver", r"port-lwip|mps2-network-(board|lan9118)|^\.bss\.network\."),
    ("slots and signatures", r"runtime-(update|signature|digest|boot)|fetched-monocypher"),
    ("application", r"runtime-(app|smp|settings)|mps2-network-main"),
    ("port", r"port-"),
)
_SECTION = re.compile(
    r"^ (?P<name>\.[\w.$*]+)\n? +0x(?P<at>[0-9a-f]+) +0x(?P<bytes>[0-9a-f]+) (?P<file>\S+)$", re.MULTILINE
)
RAM_AT = 0x20000000


def parts(elf: Path) -> dict[str, Part]:
    """What each part takes of flash and RAM, from the map beside the ELF. Alignment, and the stack, are nobody's."""
    text = elf.with_suffix(".map").read_text()
    found: dict[str, tuple[int, int]] = {}
    for match in _SECTION.finditer(text[text.index("Linker script and memory map") :]):
        at, size, name = int(match["at"], 16), int(match["bytes"], 16), match["name"]
        if not size or not name.startswith((".text", ".rodata", ".data", ".bss", ".vectors", ".arena")):
            continue
        part = _part_of(f"{name} {match['file']}")
        flash, ram = found.get(part, (0, 0))
        in_ram = at >= RAM_AT
        found[part] = (flash + (size if not in_ram or name.startswith(".data") else 0), ram + (size if in_ram else 0))
    return {name: Part(*sizes) for name, sizes in sorted(found.items())}


def _part_of(section: str) -> str:
    return next((part for part, pattern in PARTS if re.search(pattern, section)), "C library")
