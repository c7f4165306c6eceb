"""Finding the compilers that the lock names, and refusing others."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyops.errors import ToolError
from tinyops.files import cache_folder
from tinyops.process import find_tool, run

DEBIAN_PACKAGES = {
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "arecord": "alsa-utils",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "avr-gcc": "gcc-avr avr-libc",
    "chromium": "chromium",
    "clang": "clang",
    "gcc": "gcc libc6-dev",
    "node": "nodejs",
    "npm": "npm",
    "qemu-aarch64": "qemu-user",
    "qemu-system-arm": "qemu-system-arm",
    "qemu-system-riscv32": "qemu-system-misc",
    "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf",
    "simavr": "simavr libsimavr-dev libelf-dev pkg-config",
    "wasm-ld": "lld",
}

# Programs that print no version, or when asked otherwise: what does, of the package that they come with.
VERSION_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "ffmpeg": ("ffmpeg", "-version"),
    "simavr": ("pkg-config", "--modversion", "simavr"),
}

# Debian's Arduino core for AVR, and what may name another.
AVR_CORE = Path("/usr/share/arduino/hardware/arduino/avr")
AVR_CORE_VARIABLE = "TINYOPS_ARDUINO_AVR"
AVR_CORE_PARTS = ("platform.txt", "cores/arduino/Arduino.h")

# Emulators that are npm packages, and the folder of this package that pins them: package.json and package-lock.json.
NPM_FOLDERS = {"rp2040js": Path(__file__).parent / "twin" / "node"}

# What tells one core from another; optimisation and warnings are the builder's to say.
CPU_FLAGS: Mapping[str, tuple[str, ...]] = {
    "cortex-m0": ("-mthumb", "-mcpu=cortex-m0"),
    "cortex-m0plus": ("-mthumb", "-mcpu=cortex-m0plus"),
    "cortex-m3": ("-mthumb", "-mcpu=cortex-m3"),
    "cortex-m4f": ("-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    "cortex-m7": ("-mthumb", "-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard"),
    "cortex-m33": ("-mthumb", "-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
    "x86-64": ("-m64", "-march=x86-64"),
    "aarch64": ("-march=armv8-a",),
    "riscv32": ("-march=rv32imc", "-mabi=ilp32"),
    "wasm32": ("--target=wasm32",),  # clang's
    "avr": ("-mmcu=atmega2560",),
}
_ARM = ("arm-none-eabi-gcc",)
# Which compilers make code for a core: the machine's own only where that is one.
COMPILERS: Mapping[str, tuple[str, ...]] = {
    **{cpu: _ARM for cpu in CPU_FLAGS if cpu.startswith("cortex-m")},
    "x86-64": ("gcc",),
    "aarch64": ("aarch64-linux-gnu-gcc", "gcc"),
    "riscv32": ("riscv64-unknown-elf-gcc",),
    "wasm32": ("clang",),
    "avr": ("avr-gcc",),
}


def debian_packages(programs: Iterable[str]) -> tuple[str, ...]:
    """What `apt-get install` takes for some programs; those that npm brings need npm."""
    named = (DEBIAN_PACKAGES["npm"] if name in NPM_FOLDERS else DEBIAN_PACKAGES.get(name, name) for name in programs)
    return (*dict.fromkeys(package for packages in named for package in packages.split()),)


@dataclass(frozen=True)
class Tool:
    """A program and the version it says it has."""

    name: str
    version: str
    path: Path


@functools.cache
def installed(name: str) -> Tool:
    """The program on PATH and its version. Raises ToolError naming the Debian package that has it."""
    if name in NPM_FOLDERS:
        return _installed_by_npm(name)
    package = DEBIAN_PACKAGES.get(name, name)
    path = find_tool(name, hint=f"on Debian or Ubuntu: apt-get install {package}")
    first = run(VERSION_COMMANDS.get(name, (path, "--version")), timeout_s=20).stdout.splitlines()[:1]
    found = re.search(r"(?:\bv|\b)(\d+\.\d+(?:\.\d+)?)\b(?!.*\b\d+\.\d+\.\d+\b)", first[0] if first else "")
    if found is None:
        raise ToolError(f"{path}: prints no version that tinyops can read: {first!r}")
    return Tool(name, found.group(1), path)


def _installed_by_npm(name: str) -> Tool:
    """A package of Node.js beside the Python packages or in the cache folder; its path has node_modules."""
    pinned, cached = NPM_FOLDERS[name], cache_folder() / "node"
    for folder in (Path(sys.prefix) / "tinyops-node", cached):
        about = folder / "node_modules" / name / "package.json"
        try:
            return Tool(name, str(json.loads(about.read_bytes())["version"]), folder)
        except OSError:
            continue
        except (ValueError, KeyError, TypeError):
            raise ToolError(f"{about}: not a package of npm", hint=f"delete {folder / 'node_modules'}") from None
    there = shlex.quote(str(cached))
    command = f"mkdir -p {there} && cp {shlex.quote(str(pinned))}/package*.json {there} && npm ci --prefix {there}"
    raise ToolError(f"{name} is not installed", hint=f"with Node.js and npm: {command}")


def locked(name: str, version: str) -> Tool:
    """The program in exactly the version of the lock. Raises ToolError naming both versions."""
    tool = installed(name)
    if tool.version != version:
        raise ToolError(
            f"{name}: the lock wants {version}, {tool.path} is {tool.version}",
            hint=f"install {version} (Debian: apt-get install {DEBIAN_PACKAGES.get(name, name)}), "
            "use the devcontainer, or run `tinyops lock` and have the new version reviewed",
        )
    return tool


def locked_packages(packages: Mapping[str, str | None], extra: str) -> None:
    """Refuses Python packages that are missing or not in the lock's version; None in the lock means any.

    `extra` is the extra of tinyops that installs them. Raises one ToolError naming all of them.
    """
    problems = []
    for name, wanted in sorted(packages.items()):
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(f"{name}: the lock wants {wanted or 'it'}, it is not installed")
            continue
        if wanted is not None and found != wanted:
            problems.append(f"{name}: the lock wants {wanted}, installed is {found}")
    if problems:
        hint = f"`pip install 'tinyops[{extra}]'` of the tinyops that the lock names installs them"
        raise ToolError("\n".join(problems), hint=hint)


@dataclass(frozen=True)
class ArduinoCore:
    """An Arduino core on this machine."""

    path: Path
    version: str


def find_avr_core() -> ArduinoCore:
    """Debian's Arduino core for AVR, or the one that TINYOPS_ARDUINO_AVR names. Raises ToolError when it is missing."""
    folder = Path(os.environ.get(AVR_CORE_VARIABLE) or AVR_CORE)
    missing = [part for part in AVR_CORE_PARTS if not (folder / part).is_file()]
    if missing:
        raise ToolError(
            f"the Arduino core for AVR is missing: {folder} has no {missing[0]}",
            hint=f"on Debian: apt-get install arduino-core-avr; or set {AVR_CORE_VARIABLE} to the folder of a core",
        )
    found = re.search(r"^version=(\S+)$", (folder / "platform.txt").read_text(errors="replace"), re.MULTILINE)
    if found is None:
        raise ToolError(f"{folder / 'platform.txt'}: names no version of the core")
    return ArduinoCore(folder, found.group(1))
