"""One board of the catalogue, as a frozen object."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

Cpu = Literal["cortex-m0", "cortex-m0plus", "cortex-m4f", "cortex-m7", "cortex-m33", "x86-64", "aarch64"]


def _hexadecimal(value: object) -> object:
    """Addresses may be written as 0x… in quotes; YAML 1.2 reads bare 0x… as an integer already."""
    return int(value, 16) if isinstance(value, str) and value.startswith("0x") else value


Address = Annotated[NonNegativeInt, BeforeValidator(_hexadecimal)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rates_hz: tuple[PositiveFloat, ...]
    ranges: tuple[PositiveFloat, ...] = Field(description="Largest magnitude of each channel, in its unit.")


class UsbId(Strict):
    vid: Address
    pid: Address
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
    transports: tuple[Literal["usb", "wifi", "ble", "local"], ...]
    polls: Literal["itself", "gateway"]
    update: Update
    twin: Twin

    @model_validator(mode="after")
    def _layout_fits(self) -> BoardSpec:
        if (self.memory is None) != (self.layout is None):
            raise ValueError("memory and layout go together")
        if self.memory is None or self.layout is None:
            return self
        flash, previous = self.memory.flash, None
        for name, region in self.layout.named():
            if region.origin < flash.origin or region.end > flash.end:
                raise ValueError(f"slot {name} lies outside flash ({region.origin:#x} to {region.end:#x})")
            if region.origin % flash.erase_bytes or region.bytes % flash.erase_bytes:
                raise ValueError(f"slot {name} does not start and end on a sector of {flash.erase_bytes} bytes")
            if previous and region.origin < previous[1].end:
                raise ValueError(f"slots {previous[0]} and {name} overlap at {region.origin:#x}")
            previous = (name, region)
        if self.layout.arena_bytes + self.layout.stack_bytes > self.memory.ram.bytes:
            raise ValueError("arena and stack together are larger than RAM")
        return self


class BoardMetadata(Strict):
    name: Name


class Board(Strict):
    apiVersion: Literal["tinyops/v1"]
    kind: Literal["Board"]
    metadata: BoardMetadata
    spec: BoardSpec

    @property
    def name(self) -> str:
        return self.metadata.name
