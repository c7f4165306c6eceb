"""A Linux machine by looking at itself: CPU, memory, accelerators, cameras. Nothing is written, nothing is run."""

from __future__ import annotations

import hmac
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyops.boards.model import Board
from tinyops.device.identify.reading import below, first, hexadecimal, text
from tinyops.device.identify.usb import SYS, UsbDevice

PROC = Path("/proc")
CPUINFO_LIMIT = 64 * 1024
# A Coral accelerator shows the first id until its firmware is loaded, the second after that.
EDGE_TPU_USB = frozenset({(0x1A6E, 0x089A), (0x18D1, 0x9302)})
EDGE_TPU_PCI = (0x1AC1, 0x089A)
NVIDIA = 0x10DE
DISPLAY_CLASS = 0x03
MACHINE_ID = Path("/etc/machine-id")
_MACHINE_ID = re.compile(r"[0-9a-f]{32}")
# Of tinyops, drawn once; runtime/port/native/machine_id.c has it, too.
APPLICATION = bytes.fromhex("a965795e57b9cd8fb18ccd7578126f86")
CPU_NAMES = {"x86_64": "x86-64", "amd64": "x86-64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Machine:
    """This machine. `accelerators` are reported, and used by nothing; `boards` are those of the catalogue it may be.
    `silicon` is its own number as tinyops knows it, "" where it has none.
    """

    model: str
    cpu: str
    cpu_name: str
    cores: int
    ram_bytes: int
    accelerators: tuple[str, ...]
    cameras: tuple[str, ...]
    boards: tuple[str, ...]
    silicon: str = ""


def look_at_machine(
    usb: tuple[UsbDevice, ...],
    catalog: Mapping[str, Board],
    *,
    sys: Path = SYS,
    proc: Path = PROC,
    machine_id: Path = MACHINE_ID,
    architecture: str | None = None,
) -> Machine:
    about = text(proc / "cpuinfo", CPUINFO_LIMIT)
    cpu = architecture or platform.machine()
    cpu = CPU_NAMES.get(cpu.lower(), cpu.lower())
    dmi = " ".join(filter(None, (text(sys / f"class/dmi/id/{name}") for name in ("sys_vendor", "product_name"))))
    model = first([text(proc / "device-tree/model"), dmi])
    return Machine(
        model=model,
        cpu=cpu,
        cpu_name=first(re.findall(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", about, re.MULTILINE)),
        cores=len(re.findall(r"^processor\s*:", about, re.MULTILINE)),
        ram_bytes=_ram(text(proc / "meminfo", 4096)),
        accelerators=tuple(_accelerators(usb, sys, model)),
        cameras=tuple(f"{text(path / 'name') or 'camera'} (/dev/{path.name})" for path in _cameras(sys)),
        boards=_boards(cpu, model, catalog),
        silicon=number_of_machine(text(machine_id)),
    )


def number_of_machine(machine_id: str) -> str:
    """A number for the machine with an id, which is confidential: it cannot be found from this one.

    As machine-id(5) asks, and sd_id128_get_machine_app_specific does: HMAC-SHA256 with a number of ours, as a UUID.
    """
    if not _MACHINE_ID.fullmatch(machine_id):
        return ""
    made = bytearray(hmac.digest(bytes.fromhex(machine_id), APPLICATION, "sha256")[:16])
    made[6] = made[6] & 0x0F | 0x40
    made[8] = made[8] & 0x3F | 0x80
    return made.hex()


def _ram(meminfo: str) -> int:
    found = re.search(r"^MemTotal:\s*(\d{1,15}) kB", meminfo, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def _cameras(sys: Path) -> list[Path]:
    """One a camera: a driver's further lines, for metadata, have another index."""
    return [path for path in below(sys / "class/video4linux", "video*") if text(path / "index") in ("", "0")]


def _accelerators(usb: tuple[UsbDevice, ...], sys: Path, model: str) -> list[str]:
    found = [f"Edge TPU (USB {device.ids})" for device in usb if (device.vid, device.pid) in EDGE_TPU_USB]
    gpu = False
    for path in below(sys / "bus/pci/devices"):
        ids = hexadecimal(path / "vendor"), hexadecimal(path / "device")
        if ids == EDGE_TPU_PCI:
            found.append("Edge TPU (PCI)")
        if ids[0] == NVIDIA and text(path / "class").removeprefix("0x").startswith(f"{DISPLAY_CLASS:02x}"):
            found.append(f"NVIDIA GPU (PCI {NVIDIA:04x}:{ids[1] or 0:04x})")
            gpu = True
    if not gpu and ("Jetson" in model or below(sys / "devices", "gpu.0")):
        found.append("NVIDIA GPU (of the chip)")
    return found


def _boards(cpu: str, model: str, catalog: Mapping[str, Board]) -> tuple[str, ...]:
    """Boards with an operating system and this CPU; those that the machine's own name says, if it says one."""
    fit = {name: board for name, board in catalog.items() if board.spec.layout is None and board.spec.cpu == cpu}
    named = [name for name, board in fit.items() if _words(board.spec.title) <= _words(model)]
    return tuple(named or fit)


def _words(text_: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text_.lower())) - {"nvidia", "board"}
