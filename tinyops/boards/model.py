"""One board of the catalogue, as a frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tinyops.documents import Misplaced, Name, Strict
from tinyops.files import digest_json

Cpu: TypeAlias = Literal[
    "cortex-m0",
    "cortex-m0plus",
    "cortex-m3",
    "cortex-m4f",
    "cortex-m7",
    "cortex-m33",
    "riscv32",
    "avr",
    "x86-64",
    "aarch64",
]
Address: TypeAlias = Annotated[NonNegativeInt, Field(le=2**32, description="In bytes; may be written as 0x….")]
UsbNumber: TypeAlias = Annotated[NonNegativeInt, Field(le=0xFFFF)]


class Region(Strict):
    """A range of addresses, in bytes."""

    origin: Address
    bytes: PositiveInt = Field(description="Length.")

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

    bootloader: Region | None = Field(default=None, description="Never written by tinyops.")
    firmware: tuple[Region, ...] = Field(min_length=1, max_length=2, description="One slot, or two.")
    model: tuple[Region, ...] = Field(
        max_length=2,
        description="Two: an update never overwrites what runs. None: the model is linked into the firmware.",
    )
    settings: Region | None = Field(default=None, description="Which slot runs, counters.")
    arena_bytes: PositiveInt = Field(description="RAM for activations: the most that a model may need.")
    stack_bytes: PositiveInt = Field(description="RAM for the stack; the twin measures what is used.")

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

    name: Name = Field(description="What fleets bind it by.")
    kind: Name = Field(description="As a dataset's signal names it: imu, accelerometer, microphone, camera, …")
    part: str = Field(default="", description="The chip.")
    channels: tuple[str, ...] = Field(min_length=1, max_length=64, description="Their order in a frame.")
    units: tuple[str, ...] = Field(description="One a channel.")
    rates_hz: tuple[PositiveFloat, ...] = Field(default=(), description="Frames a second that it can give.")
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
    """How the board shows itself on USB."""

    vid: UsbNumber = Field(description="Vendor.")
    pid: UsbNumber = Field(description="Product.")
    mode: Literal["application", "bootloader", "debugger"] = Field(
        default="application", description="What answers under this id."
    )


class Update(Strict):
    """How the board is updated in the field, and what that guarantees."""

    kind: Literal["own-bootloader", "vendor-ab", "vendor-copy", "usb-gateway", "model-only"]
    revert: bool = Field(description="Goes back by itself to what ran before.")
    power_safe: bool = Field(description="Loss of power at any moment leaves something that runs.")
    anti_rollback: bool = Field(description="Refuses what is older by its security counter.")


class Driver(Strict):
    """How the Arduino port reads one of the board's sensors."""

    file: Name = Field(description="A file below runtime/port/arduino/sensors, without its ending.")
    libraries: tuple[str, ...] = Field(default=(), description="PlatformIO's libraries, owner/name@version.")


class Arduino(Strict):
    """The PlatformIO platform with an Arduino core that builds for the board."""

    platform: str = Field(description="As `platform =` takes it, without a version.")
    version: str = Field(description="Of the platform; a tag where it is a repository.")
    board: str = Field(description="PlatformIO's name of the board.")
    core: str = Field(default="", description="`board_build.core`, where a platform has several.")
    libraries: tuple[str, ...] = Field(default=(), description="Beside those of drivers, owner/name@version.")
    drivers: Mapping[str, Driver] = Field(default={}, description="By name of the sensor.")
    options: Mapping[str, str] = Field(default={}, description="Further lines of its platformio.ini.")


class Twin(Strict):
    """How the board is emulated and what that leaves unproven."""

    kind: Literal["native", "qemu", "simavr"] = Field(description="native: on the build machine itself.")
    machine: str = Field(default="", description="As QEMU or simavr names it.")
    same_machine: bool = Field(description="The emulator runs the board's own firmware bytes, not a port's.")
    not_covered: tuple[str, ...] = Field(default=(), description="What only the board itself would show.")


class Silicon(Strict):
    """Whether tinyops ran on this board itself, not on its twin."""

    run: bool = Field(description="True only when it did.")
    note: str = Field(default="", description="How, or where the facts come from.")


class BoardSpec(Strict):
    title: str = Field(description="What people call it.")
    mcu: str = Field(description="The chip.")
    cpu: Cpu = Field(description="Decides the instructions that are used.")
    clock_hz: PositiveInt = Field(description="Instructions are counted, not timed: for people.")
    memory: Memory | None = Field(default=None, description="None for boards with an operating system.")
    layout: Layout | None = Field(default=None, description="What fits is decided by these slots.")
    port: Name = Field(description="Folder below runtime/port.")
    compiler: Literal["arm-none-eabi-gcc", "gcc", "riscv64-unknown-elf-gcc", "avr-gcc"] = Field(
        description="Its version is in the lock."
    )
    arduino: Arduino | None = Field(default=None, description="For firmware with an Arduino core.")
    stream: bool = Field(default=True, description="Takes frames from its host.")
    replay: bool = Field(default=False, description="Takes frames from a file.")
    sensors: tuple[SensorFacts, ...] = Field(default=(), description="What is soldered on.")
    usb: tuple[UsbId, ...] = Field(default=(), description="Every id that it shows itself under.")
    transports: tuple[Literal["usb", "wifi", "ble", "local"], ...] = Field(
        min_length=1, description="How updates reach it; the first is the default."
    )
    polls: Literal["itself", "gateway"] = Field(description="Who asks the store for updates.")
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

    @property
    def model_form(self) -> Literal["image", "linked", "shared-object"]:
        """How a compiled model reaches the board: into a slot, inside the firmware, or as a file."""
        if self.layout is None:
            return "shared-object"
        return "image" if self.layout.model else "linked"

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
