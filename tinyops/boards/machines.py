"""The machines that twins run on: whose code they run, where their memory lies, which program emulates them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tinyops.boards.layout import Layout, Memory, Region

MIB = 1 << 20
PLACE_BYTES = 4096  # what is placed anew starts at a multiple


NOWHERE = Region(origin=0, bytes=1)


@dataclass(frozen=True)
class Machine:
    """One of QEMU's. Without a `port` it is a board's own and runs that board's firmware; else the firmware that is
    built for the port starts at the beginning of `code`. Model slots may lie in `code` or in `more`.

    `cpus` are the cores whose code it runs unchanged.
    """

    cpus: tuple[str, ...]
    emulator: str
    port: str | None = None
    code: Region = NOWHERE
    ram: Region = NOWHERE
    more: Region | None = None
    options: tuple[str, ...] = ()


def _arm(cpus: tuple[str, ...], code: int, ram: int, more: int) -> Machine:
    """An FPGA image of Arm's MPS2, its memory as static RAM and pseudo-static RAM."""
    return Machine(
        cpus,
        "qemu-system-arm",
        "mps2",
        Region(origin=code, bytes=4 * MIB),
        Region(origin=ram, bytes=4 * MIB),
        Region(origin=more, bytes=16 * MIB),
    )


QEMU: Mapping[str, Machine] = MappingProxyType(
    {
        "microbit": Machine(("cortex-m0",), "qemu-system-arm"),
        # QEMU has no Cortex-M0+, whose instructions a Cortex-M4 has, too.
        "mps2-an386": _arm(("cortex-m4f", "cortex-m0plus"), 0x0, 0x20000000, 0x21000000),
        "mps2-an500": _arm(("cortex-m7",), 0x0, 0x20000000, 0x60000000),
        "mps2-an505": _arm(("cortex-m33",), 0x10000000, 0x38000000, 0x80000000),  # as its secure side sees them
        "virt": Machine(
            ("riscv32",),
            "qemu-system-riscv32",
            "virt",
            Region(origin=0x80000000, bytes=32 * MIB),
            Region(origin=0x82000000, bytes=32 * MIB),
            options=("-bios", "none"),
        ),
    }
)
USER_EMULATORS: Mapping[str, str] = MappingProxyType({"aarch64": "qemu-aarch64"})  # by CPU
EMULATORS: Mapping[str, str] = MappingProxyType({"rp2040js": "rp2040js", "simavr": "simavr"})  # of the other kinds


@dataclass(frozen=True)
class Placement:
    """Where a board's memories lie in its twin: as large as on the board. `bootloader` is ours."""

    firmware: tuple[Region, ...]
    model: tuple[Region, ...]
    ram: Region
    bootloader: Region | None = None


def emulator(kind: str, machine: str, cpu: str) -> str | None:
    """The program that a kind of twin needs, None where it needs none that the lock pins."""
    if kind == "qemu":
        return QEMU[machine].emulator
    return USER_EMULATORS.get(cpu) if kind == "qemu-user" else EMULATORS.get(kind)


def place(machine: Machine, memory: Memory, layout: Layout) -> Placement:
    """The board's memories in a machine. What the machine has at the board's own address stays there.

    Raises ValueError saying what has no room.
    """
    ram = memory.ram if _holds(machine.ram, memory.ram) else _within(machine.ram, memory.ram.bytes)
    if ram is None:
        raise ValueError(f"RAM of {memory.ram.bytes:,} bytes")
    if layout.own_bootloader is not None:
        return _place_slots(machine, layout, ram, layout.own_bootloader)
    firmware = _within(machine.code, layout.firmware[0].bytes)
    if firmware is None:
        raise ValueError(f"a firmware slot of {layout.firmware[0].bytes:,} bytes")
    return Placement((firmware,), (_place_model(machine, layout, firmware),) if layout.model else (), ram)


def _place_slots(machine: Machine, layout: Layout, ram: Region, own: Region) -> Placement:
    """Our bootloader is what the machine starts; what it starts lies where it does on the board."""
    bootloader = Region(origin=machine.code.origin, bytes=own.bytes)
    for name, region in layout.named():
        if name in ("bootloader", "own_bootloader"):
            continue
        if not _holds(machine.code, region) or region.origin < bootloader.end:
            raise ValueError(f"{name} where it lies on the board ({region.origin:#x} to {region.end:#x})")
    return Placement(layout.firmware, layout.model, ram, bootloader)


def _place_model(machine: Machine, layout: Layout, firmware: Region) -> Region:
    slot = layout.model[0]
    behind = Region(origin=-(-firmware.end // PLACE_BYTES) * PLACE_BYTES, bytes=slot.bytes)
    if slot.origin >= firmware.end and _holds(machine.code, slot):
        return slot
    if _holds(machine.code, behind):
        return behind
    found = _within(machine.more, slot.bytes) if machine.more else None
    if found is None:
        raise ValueError(f"a model slot of {slot.bytes:,} bytes")
    return found


def _within(room: Region, size: int) -> Region | None:
    return Region(origin=room.origin, bytes=size) if size <= room.bytes else None


def _holds(room: Region, region: Region) -> bool:
    return room.origin <= region.origin and region.end <= room.end
