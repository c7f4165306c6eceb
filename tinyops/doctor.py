"""What this machine has and lacks, step by step. Looks only: nothing is installed, imported or rendered."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyops.errors import ToolError
from tinyops.process import run
from tinyops.toolchain import DEBIAN_PACKAGES, find_avr_core, installed

OLDEST_PYTHON = (3, 11)
FREE_BYTES = 1_000_000_000  # the example's store, releases and firmware builds take a fifth of it
GIT_HINT = "on Debian or Ubuntu: apt-get install git"

# Steps of a plan that use a package, or things that only some fleets have. The packages are those of these extras.
EXTRAS = (
    "train",
    "build",
    "collect",
    "data",
    "github",
    "serial",
    "ble",
    "browser",
    "remote",
    "dask",
    "trust",
    "receiver",
)
OPTIONAL_EXTRAS = frozenset(
    {"collect", "data", "github", "serial", "ble", "browser", "remote", "dask", "trust", "receiver"}
)
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "numpy": ("collect", "train", "squeeze"),
    "tensorflow-cpu": ("train",),
    "ai-edge-litert": ("squeeze", "compile"),
    "ai-edge-quantizer": ("squeeze",),
    "tflite-micro": ("squeeze",),
    "pyelftools": ("image", "firmware", "twin"),
    "detools": ("deltas of images",),
    "platformio": ("firmware",),
    "scons": ("firmware",),
    "github3-py": ("releases on GitHub",),
    "requests": ("releases on GitHub", "data on the web"),
    "urllib3": ("releases on GitHub", "data on the web"),
    "pillow": ("images of datasets",),
    "pyarrow": ("Parquet files of datasets",),
    "scipy": ("sound at another rate",),
    "pyserial": ("boards on USB",),
    "smp": ("asking boards who they are",),
    "smpclient": ("asking boards who they are",),
    "bleak": ("updates over Bluetooth",),
    "playwright": ("twins of phones",),
    "websockets": ("twins of chains that end in a phone",),
    "distributed": ("steps on a Dask cluster",),
    "fsspec": ("an artifact store or data behind a URL",),
    "tuf": ("trust metadata of gateways and Linux devices",),
    "securesystemslib": ("trust metadata of gateways and Linux devices",),
    "starlette": ("receiving reports",),
    "uvicorn": ("receiving reports",),
    "h11": ("receiving reports",),
}
TOOLS: Mapping[str, tuple[str, ...]] = {
    "gcc": ("train", "squeeze", "image", "twin"),
    "arm-none-eabi-gcc": ("image", "firmware"),
    "qemu-system-arm": ("twin",),
}
# The same for what only some fleets have.
OPTIONAL_TOOLS: Mapping[str, tuple[str, ...]] = {
    "clang": ("images of phones",),
    "wasm-ld": ("images of phones",),
    "chromium": ("twins of phones",),
    "aarch64-linux-gnu-gcc": ("images of ARM boards with Linux",),
    "qemu-aarch64": ("twins of ARM boards with Linux",),
    "riscv64-unknown-elf-gcc": ("twins of RISC-V boards",),
    "qemu-system-riscv32": ("twins of RISC-V boards",),
    "node": ("twins of RP2040 boards",),
    "rp2040js": ("twins of RP2040 boards",),
    "avr-gcc": ("AVR boards",),
    "simavr": ("twins of AVR boards",),
    "arecord": ("recording from this machine's microphone",),
    "ffmpeg": ("recording from this machine's camera",),
}
# What brings firmware onto boards over a cable, and how it is installed: those of tinyops/device/flashing.
FLASH_TOOLS: Mapping[str, str] = {
    "picotool": "picotool, of Raspberry Pi (github.com/raspberrypi/picotool), or mount the board's drive",
    "bossac": "bossac 1.9.1-arduino5, as Arduino's IDE brings it; Debian's bossa-cli does not know these chips",
    "esptool": "pip install esptool",
    "avrdude": "on Debian or Ubuntu: apt-get install avrdude",
    "openocd": "on Debian or Ubuntu: apt-get install openocd",
    "dfu-util": "on Debian or Ubuntu: apt-get install dfu-util",
    "teensy_loader_cli": "on Debian or Ubuntu: apt-get install teensy-loader-cli",
}


@dataclass(frozen=True)
class Check:
    """One thing that steps need.

    `needed_for` names the steps; `found` is its version or state here, None when it is missing;
    `wanted` is the version that the lock or the package demands, None when any will do. `advice` is
    what to type when it is not `ok`, otherwise empty. What is `optional` is not missed until a
    fleet asks for it.
    """

    name: str
    needed_for: tuple[str, ...]
    found: str | None
    wanted: str | None
    ok: bool
    advice: str
    optional: bool = False


def checks(wanted: Mapping[str, str] | None = None, *, cache: Path = Path(".tinyops")) -> list[Check]:
    """Everything that the steps need, in the order in which a user would mend it.

    `wanted` is the lock's versions by name of tool or package; `cache` the folder that steps write
    to. Raises nothing for what is missing: that is the answer.
    """
    lock = wanted or {}
    return [
        _python(),
        *_packages(importlib.metadata.requires("tinyops") or [], lock),
        *(_tool(name, steps, lock.get(name)) for name, steps in TOOLS.items()),
        *(_tool(name, steps, lock.get(name), optional=True) for name, steps in OPTIONAL_TOOLS.items()),
        *(_flash_tool(name, advice) for name, advice in FLASH_TOOLS.items()),
        _newlib(lock.get("newlib")),
        _avr_core("avr-gcc" in lock),
        _git(),
        *_udev_rules(),
        _disk(cache),
        _writable(cache),
    ]


def missing(found: Sequence[Check]) -> list[Check]:
    """What stands in the way: not in order, and not optional."""
    return [check for check in found if not check.ok and not check.optional]


def judge(
    name: str,
    needed_for: tuple[str, ...],
    found: str | None,
    wanted: str | None,
    advice: str,
    *,
    optional: bool = False,
) -> Check:
    """A check of a version: in order when it is there and, where one is wanted, exactly that one."""
    ok = found is not None and wanted in (None, found)
    return Check(name, needed_for, found, wanted, ok, "" if ok else advice, optional)


def extra_requirements(requirements: Sequence[str], extra: str) -> dict[str, str]:
    """The packages that an extra adds, from a distribution's `Requires-Dist` lines: name to `name>=1.2`."""
    marker = re.compile(rf"extra\s*==\s*['\"]{re.escape(extra)}['\"]")
    found: dict[str, str] = {}
    for line in requirements:
        requirement, _, condition = line.partition(";")
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        if name and marker.search(condition):
            found[name.group()] = requirement.strip()
    return found


def _packages(requirements: Sequence[str], lock: Mapping[str, str]) -> list[Check]:
    """One check a package, though several extras may want it; optional when only optional extras do."""
    lines: dict[str, str] = {}
    required: set[str] = set()
    for extra in EXTRAS:
        found = extra_requirements(requirements, extra)
        lines.update(found)
        required.update(() if extra in OPTIONAL_EXTRAS else found)
    return [
        _package(name, PACKAGES.get(name, ("some steps",)), line, lock.get(name), name not in required)
        for name, line in lines.items()
    ]


def _package(name: str, needed_for: tuple[str, ...], requirement: str, locked: str | None, optional: bool) -> Check:
    exact = re.search(r"==\s*([^\s,]+)", requirement)
    wanted = locked or (exact.group(1) if exact else None)
    try:
        found: str | None = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found = None
    asked = f"{name}=={wanted}" if wanted else requirement
    return judge(name, needed_for, found, wanted, f"{sys.executable} -m pip install '{asked}'", optional=optional)


def _python() -> Check:
    found = platform.python_version()
    ok = sys.version_info[:2] >= OLDEST_PYTHON
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return Check(
        "python", ("everything",), found, f">= {oldest}", ok, "" if ok else f"install Python {oldest} or newer"
    )


def _tool(name: str, needed_for: tuple[str, ...], wanted: str | None, *, optional: bool = False) -> Check:
    """What the lock wants is not optional."""
    optional = optional and wanted is None
    try:
        found = installed(name).version
    except ToolError as error:
        return Check(name, needed_for, None, wanted, False, error.hint or error.message, optional)
    return judge(name, needed_for, found, wanted, _other_version(name, wanted), optional=optional)


def _flash_tool(name: str, advice: str) -> Check:
    """Any version will do; not all of these programs tell theirs."""
    return judge(name, ("flash",), shutil.which(name), None, advice, optional=True)


def _other_version(name: str, wanted: str | None) -> str:
    package = DEBIAN_PACKAGES.get(name, name)
    return (
        f"install {wanted} (Debian's package: {package}), open the devcontainer, "
        "or run `tinyops lock` and have the new version reviewed"
    )


def _newlib(wanted: str | None) -> Check:
    """The C library for microcontrollers, asked of its compiler: its version is in one of its headers."""
    name, needed_for = "newlib", ("image", "firmware")
    try:
        compiler = installed("arm-none-eabi-gcc").path
        source = "#include <_newlib_version.h>\n"
        macros = run([compiler, "-E", "-dM", "-"], stdin=source, timeout_s=20, check=False).stdout
    except ToolError as error:
        return Check(name, needed_for, None, wanted, False, error.hint or error.message)
    version = re.search(r'#define _NEWLIB_VERSION "([^"]+)"', macros)
    advice = "on Debian or Ubuntu: apt-get install libnewlib-arm-none-eabi"
    return judge(name, needed_for, version.group(1) if version else None, wanted, advice)


def _avr_core(needed: bool) -> Check:
    """Arduino's core for AVR, which is sources: no program to ask."""
    name, needed_for = "arduino-core-avr", ("AVR boards",)
    try:
        core = find_avr_core()
    except ToolError as error:
        return Check(name, needed_for, None, None, False, error.hint or error.message, not needed)
    return judge(name, needed_for, core.version, None, "", optional=not needed)


def _git() -> Check:
    try:
        found: str | None = installed("git").version
    except ToolError:
        found = None
    return judge("git", ("plan", "apply"), found, None, GIT_HINT)


def _udev_rules() -> Iterator[Check]:
    """Without them only root opens the boards' bootloaders and debuggers. Linux has udev, others need nothing."""
    if not sys.platform.startswith("linux"):
        return
    from tinyops.boards.udev import SHIPPED, installed_rules

    rules = installed_rules()
    ok = rules is not None and rules[1]
    found = None if rules is None else f"{rules[0]}" if ok else f"{rules[0]}, of another version"
    copy = f"sudo cp {shlex.quote(str(SHIPPED))} /etc/udev/rules.d/"
    advice = "" if ok else f"{copy} && sudo udevadm control --reload && sudo udevadm trigger"
    yield Check("udev rules", ("boards on USB",), found, "those of this tinyops", ok, advice, optional=True)


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _disk(cache: Path) -> Check:
    folder = _existing(cache)
    free = shutil.disk_usage(folder).free
    ok = free >= FREE_BYTES
    advice = "" if ok else f"free some space on the disk of {folder}"
    return Check("disk", ("apply",), f"{free / 1e9:.1f} GB free", f">= {FREE_BYTES / 1e9:.0f} GB", ok, advice)


def _writable(cache: Path) -> Check:
    folder = _existing(cache)
    ok = os.access(folder, os.W_OK | os.X_OK)
    advice = "" if ok else f"give yourself the right to write to {folder}: chown -R $(id -u) {folder}"
    return Check("cache", ("apply",), str(folder) if ok else None, "writable", ok, advice)
