"""One board of the catalogue, as a frozen object."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tinyops.documents import Misplaced, Name, Strict
from tinyops.files import digest_json

Cpu: TypeAlias = Literal["cortex-m0", "cortex-m0plus", "cortex-m4f", "cortex-m7", "cortex-m33", "x86-64", "aarch64"]
Address: TypeAlias = Annotated[NonNegativeInt, Field(le=2**32, description="In bytes; may be written as 0x….")]
UsbNumber: TypeAlias = Annotated[NonNegativeInt, Field(le=0xFFFF)]


class Region(Strict):
    """A range of addresses, in bytes."""

    origin: Address
    bytes: PositiveInt

    @property
    def end(self) -> int:
        return self.origin + self.bytes


class Flash(Region):
    erase_bytes: PositiveInt = Field(description="Smallest unit that is erased (sector).")
    program_bytes: PositiveInt = Field(description="Smallest unit that is programmed.")


class Memory(Strict):
    flash: Flash
    ram: Region


class Layout(Strict):
    """Who owns which flash; `firmware` and `model` have one slot or two. `arena_bytes` is RAM."""

    bootloader: Region | None = None
    firmware: tuple[Region, ...] = Field(min_length=1, max_length=2)
    model: tuple[Region, ...] = Field(min_length=1, max_length=2)
    settings: Region | None = None
    arena_bytes: PositiveInt
    stack_bytes: PositiveInt

    def named(self) -> list[tuple[str, Region]]:
        """Every flash region with its name, in order of address."""
        found: list[tuple[str, Region]] = []
        for name in ("bootloader", "settings"):
            region = getattr(self, name)
            if region is not None:
                found.append((name, region))
        for name in ("firmware", "model"):
            slots = getattr(self, name)
            found += [(f"{name} {i}" if len(slots) > 1 else name, r) for i, r in enumerate(slots)]
        return sorted(found, key=lambda item: item[1].origin)


class SensorFacts(Strict):
    """A sensor on the board: what it can deliver."""

    name: Name
    kind: Name
    part: str = Field(default="", description="The chip.")
    channels: tuple[str, ...] = Field(min_length=1, max_length=64)
    units: tuple[str, ...]
    rates_hz: tuple[PositiveFloat, ...] = ()
    ranges: tuple[PositiveFloat, ...] = Field(description="Largest magnitude of each channel, in its unit.")
    size: tuple[PositiveInt, PositiveInt] | None = Field(default=None, description="Height and width of an image.")

    @model_validator(mode="after")
    def _lengths_agree(self) -> SensorFacts:
        for field in ("units", "ranges"):
            found, wanted = len(getattr(self, field)), len(self.channels)
            if found != wanted:
                raise Misplaced((field,), f"has {found} entries, channels has {wanted}", hint="one entry a channel")
        return self


class UsbId(Strict):
    vid: UsbNumber
    pid: UsbNumber
    mode: Literal["application", "bootloader", "debugger"] = "application"


class Update(Strict):
    """How the board is updated in the field, and what that guarantees."""

    kind: Literal["own-bootloader", "vendor-ab", "vendor-copy", "usb-gateway", "model-only"]
    revert: bool
    power_safe: bool
    anti_rollback: bool


class Twin(Strict):
    """How the board is emulated and what that leaves unproven."""

    kind: Literal["native", "qemu"]
    machine: str = ""
    same_machine: bool = Field(description="The emulator runs the board's own firmware bytes, not a port's.")
    not_covered: tuple[str, ...] = ()


class Silicon(Strict):
    """Whether tinyops ran on this board itself, not on its twin."""

    run: bool
    note: str = ""


class BoardSpec(Strict):
    title: str
    mcu: str
    cpu: Cpu
    clock_hz: PositiveInt
    memory: Memory | None = Field(default=None, description="None for boards with an operating system.")
    layout: Layout | None = None
    port: Name = Field(description="Folder below runtime/port.")
    compiler: Literal["arm-none-eabi-gcc", "gcc"]
    stream: bool = Field(default=True, description="Takes frames from its host.")
    replay: bool = Field(default=False, description="Takes frames from a file.")
    sensors: tuple[SensorFacts, ...] = ()
    usb: tuple[UsbId, ...] = ()
    transports: tuple[Literal["usb", "wifi", "ble", "local"], ...] = Field(
        min_length=1, description="How updates reach it; the first is the default."
    )
    polls: Literal["itself", "gateway"]
    update: Update
    twin: Twin
    silicon: Silicon = Field(description="Facts that come from datasheets only are no proof.")

    @model_validator(mode="after")
    def _layout_fits(self) -> BoardSpec:
        if (self.memory is None) != (self.layout is None):
            raise ValueError("memory and layout go together: a board has both, or an operating system and neither")
        if self.memory is not None and self.layout is not None:
            _check_layout(self.memory, self.layout)
        return self

    @model_validator(mode="after")
    def _sensors_differ(self) -> BoardSpec:
        names = [sensor.name for sensor in self.sensors]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise Misplaced(("sensors", number, "name"), f"sensor {name!r} stands twice")
        return self


def _check_layout(memory: Memory, layout: Layout) -> None:
    """Slots lie in flash, on sectors, and apart. Raises Misplaced."""
    flash = memory.flash
    if flash.erase_bytes % flash.program_bytes:
        raise Misplaced(("memory", "flash", "program_bytes"), "a sector is no whole number of program units")
    previous: tuple[str, Region] | None = None
    for name, region in layout.named():
        loc: tuple[str | int, ...] = ("layout", name.split()[0])
        if region.origin < flash.origin or region.end > flash.end:
            raise Misplaced(loc, f"slot {name} lies outside flash ({region.origin:#x} to {region.end:#x})")
        if region.origin % flash.erase_bytes or region.bytes % flash.erase_bytes:
            raise Misplaced(loc, f"slot {name} does not start and end on a sector of {flash.erase_bytes} bytes")
        if previous and region.origin < previous[1].end:
            raise Misplaced(loc, f"slots {previous[0]} and {name} overlap at {region.origin:#x}")
        previous = (name, region)
    if layout.arena_bytes + layout.stack_bytes > memory.ram.bytes:
        raise Misplaced(("layout", "arena_bytes"), "arena and stack together are larger than RAM")


class BoardMetadata(Strict):
    name: Name


class Board(Strict):
    """A board that fleets may name."""

    apiVersion: Literal["tinyops/v1"]
    kind: Literal["Board"]
    metadata: BoardMetadata
    spec: BoardSpec

    @property
    def name(self) -> str:
        return self.metadata.name

    @cached_property
    def digest(self) -> str:
        """`sha256:<hex>` of the board's facts: what the lock pins."""
        return digest_json(self.spec.model_dump(mode="json"))
