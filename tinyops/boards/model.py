"""One board of the catalogue, as a frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from tinyops.boards.layout import Flash, Layout, Memory, check_layout
from tinyops.boards.machines import QEMU, USER_EMULATORS, emulator, place
from tinyops.boards.mcus import mcu_fault
from tinyops.boards.parts import (
    BARE_METAL_PORTS,
    BOOTLOADER_PORTS,
    GUARANTEES,
    TRIAL_PLATFORMS,
    Act,
    ActKind,
    Arduino,
    ChainLinks,
    Compiler,
    Cpu,
    Driver,
    FlashProgram,
    FlashTool,
    Framework,
    LinkKind,
    ModelForm,
    Pin,
    Pins,
    SensorFacts,
    SerialLine,
    Silicon,
    Twin,
    TwinKind,
    Update,
    UsbId,
    UsbNumber,
    WiredLine,
)
from tinyops.documents import Misplaced, Name, Strict
from tinyops.files import digest_json

__all__ = [
    "BARE_METAL_PORTS",
    "BOOTLOADER_PORTS",
    "GUARANTEES",
    "TRIAL_PLATFORMS",
    "Act",
    "ActKind",
    "Arduino",
    "Board",
    "BoardMetadata",
    "BoardSpec",
    "ChainLinks",
    "Compiler",
    "Cpu",
    "Driver",
    "FlashProgram",
    "FlashTool",
    "Framework",
    "LinkKind",
    "ModelForm",
    "Pin",
    "Pins",
    "SensorFacts",
    "SerialLine",
    "Silicon",
    "Twin",
    "TwinKind",
    "Update",
    "UsbId",
    "UsbNumber",
    "WiredLine",
]


class BoardSpec(Strict):
    title: str = Field(description="What people call it.")
    mcu: str = Field(min_length=1, max_length=100, description="The chip; one with slots must be of a known family.")
    other_mcu: bool = Field(
        default=False, description="The chip is of no family that tinyops knows: nobody checks that its cpu is right."
    )
    cpu: Cpu = Field(description="Decides the instructions that are used.")
    clock_hz: PositiveInt = Field(description="Instructions are counted, not timed: for people.")
    memory: Memory | None = Field(default=None, description="None for boards with an operating system.")
    layout: Layout | None = Field(default=None, description="What fits is decided by these slots.")
    vtor: bool | None = Field(default=None, description="Its vector table can be moved; for microcontrollers.")
    port: Name = Field(description="Folder below runtime/port: the firmware's own code for the board.")
    compiler: Compiler = Field(description="Its version is in the lock.")
    pins: Pins | None = Field(
        default=None, description="For ports nrf5 and rp2040: what they drive; nothing else is touched."
    )
    drivers: Mapping[Name, Name] = Field(
        default={}, description="How its port reads sensors of its own: by sensor, a folder below the port's."
    )
    led: bool = Field(default=False, description="An LED that its port lights for a class; pins.led says so, too.")
    arduino: Arduino | None = Field(default=None, description="For fleets that ask for framework arduino.")
    collector_baud: Literal[115200, 1000000] = Field(
        default=1000000, description="Of its serial line while it records for a dataset; 115,200 else."
    )
    flash_tool: FlashTool | None = Field(default=None, description="How a cable brings firmware onto it.")
    stream: bool = Field(default=True, description="Takes frames from its host.")
    replay: bool = Field(default=False, description="Takes frames from a file.")
    sensors: tuple[SensorFacts, ...] = Field(default=(), description="What is soldered on.")
    usb: tuple[UsbId, ...] = Field(default=(), description="Every id that it shows itself under.")
    transports: tuple[Literal["usb", "wifi", "ble", "local"], ...] = Field(
        min_length=1, description="How updates reach it; the first is the default."
    )
    polls: Literal["itself", "gateway"] = Field(description="Who asks the store for updates.")
    chain_links: ChainLinks = Field(default=ChainLinks(), description="How it takes part in a chain of boards.")
    update: Update = Field(description="How it is updated, and what that guarantees.")
    twin: Twin = Field(description="How it is emulated.")
    silicon: Silicon = Field(description="Facts that come from datasheets only are no proof.")

    @model_validator(mode="after")
    def _layout_fits(self) -> BoardSpec:
        if (self.memory is None) != (self.layout is None):
            raise ValueError("memory and layout go together: a board has both, or an operating system and neither")
        if self.memory is not None and self.layout is not None:
            check_layout(self.memory, self.layout, own_spaces=self.cpu == "avr")
        return self

    @model_validator(mode="after")
    def _bootloader_is_ours(self) -> BoardSpec:
        own = self.layout.own_bootloader if self.layout is not None else None
        if (own is not None) != (self.update.kind == "own-bootloader"):
            wrong = "layout.own_bootloader is missing" if own is None else f"is {self.update.kind}, with our bootloader"
            hint = "layout.own_bootloader and update.kind own-bootloader go together"
            raise Misplaced(("update", "kind"), wrong, hint=hint)
        if own is not None and self.port not in BOOTLOADER_PORTS:
            raise Misplaced(("port",), f"there is no bootloader of ours for port {self.port}")
        return self

    @model_validator(mode="after")
    def _update_keeps_its_word(self) -> BoardSpec:
        """What a board's file promises of updates, something of ours must keep."""
        fault = self._broken_promise()
        if fault:
            raise Misplaced(("update",), fault, hint="promise what is kept, and nothing else")
        return self

    def _broken_promise(self) -> str:
        update = self.update
        promised = next((word for word in GUARANTEES if getattr(update, word)), None)
        if promised is not None and update.kind in ("usb-gateway", "vendor-copy"):
            return f"{promised}: a firmware that is written over the one before keeps no such promise"
        if update.kind != "vendor-ab":
            return ""
        if update.anti_rollback:
            return "anti_rollback: a maker's bootloader starts whatever is whole"
        platform = self.arduino.platform if self.arduino is not None else "this board"
        if update.revert and platform not in TRIAL_PLATFORMS:
            return f"revert: no port tells the bootloader of {platform} of trials"
        layout = self.layout
        if update.revert and (layout is None or layout.state is None or len(layout.firmware) < 2):
            return "revert: needs layout.state, and two slots for firmware"
        return ""

    @model_validator(mode="after")
    def _chip_is_known(self) -> BoardSpec:
        fault = mcu_fault(self.mcu, self.cpu, declared_other=self.other_mcu) if self.layout is not None else None
        if fault is not None:
            raise Misplaced((fault.field,), fault.message, hint=fault.hint)
        return self

    @model_validator(mode="after")
    def _port_has_what_it_needs(self) -> BoardSpec:
        if self.port == "arduino" and self.arduino is None:
            raise Misplaced(("port",), "port arduino needs a section arduino: which PlatformIO platform builds for it")
        if self.layout is not None and self.vtor is None and self.cpu.startswith("cortex-m"):
            raise Misplaced(("cpu",), "vtor is missing: whether its vector table can be moved")
        return self

    @model_validator(mode="after")
    def _twin_can_be_it(self) -> BoardSpec:
        if self.twin.kind == "qemu-user" and self.cpu not in USER_EMULATORS:
            known = ", ".join(sorted(USER_EMULATORS))
            raise Misplaced(("twin", "kind"), f"no twin runs processes of a {self.cpu}", hint=f"known: {known}")
        if self.twin.kind == "qemu":
            self._check_machine()
        return self

    def _check_machine(self) -> None:
        machine, loc = QEMU.get(self.twin.machine), ("twin", "machine" if self.twin.machine else "kind")
        if not self.twin.machine:
            raise Misplaced(loc, "a twin in QEMU needs the name of its machine")
        if machine is None:
            raise Misplaced(loc, f"unknown machine {self.twin.machine!r}", hint=f"one of {', '.join(sorted(QEMU))}")
        if self.cpu not in machine.cpus:
            hint = "machines for it: " + (", ".join(n for n, m in QEMU.items() if self.cpu in m.cpus) or "none")
            raise Misplaced(loc, f"the machine {self.twin.machine!r} is no twin of a {self.cpu}", hint=hint)
        if (machine.port is None) != self.twin.same_machine:
            raise Misplaced(("twin", "same_machine"), f"must be {str(machine.port is None).lower()} with this machine")
        if machine.port and self.memory is not None and self.layout is not None:
            try:
                place(machine, self.memory, self.layout)
            except ValueError as error:
                raise Misplaced(loc, f"the machine {self.twin.machine!r} has no room for {error}") from None

    @model_validator(mode="after")
    def _sensors_differ(self) -> BoardSpec:
        names = [sensor.name for sensor in self.sensors]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise Misplaced(("sensors", number, "name"), f"sensor {name!r} stands twice")
        for name in self.drivers:
            if name not in names:
                raise Misplaced(("drivers", name), f"there is no sensor {name!r}", hint=f"sensors: {', '.join(names)}")
        return self

    @property
    def settle_s(self) -> float:
        """How long nothing may be said after its line was opened, under whichever id it shows."""
        return max((usb.settle_ms for usb in self.usb), default=0) / 1000

    @property
    def model_form(self) -> ModelForm:
        """How a compiled model reaches the board: see docs/architecture.md."""
        if self.layout is not None:
            return "image" if self.layout.model else "linked"
        return "wasm" if self.cpu == "wasm32" else "shared-object"

    @property
    def image_header_bytes(self) -> int:
        """What the header of an image takes of each slot for firmware whose rest a maker's bootloader starts: the last
        sector (runtime/vendor). 0 on other boards, where it is a part of the image."""
        layout = self.layout
        if self.update.kind != "vendor-ab" or layout is None or layout.state is None or self.memory is None:
            return 0
        return next(f for f in self.memory.flash if f.origin < layout.firmware[0].end <= f.end).erase_bytes

    @property
    def settings_flash(self) -> Flash | None:
        """The region that keeps settings, with the rules of the flash that it lies in; None for a board without one."""
        region = self.layout.settings if self.layout is not None else None
        if region is None or self.memory is None:
            return None
        flash = next(f for f in self.memory.flash if f.origin <= region.origin < f.end)
        return flash.model_copy(update={"origin": region.origin, "bytes": region.bytes})

    @property
    def emulator(self) -> str | None:
        """The program that its twin runs in, by the name that the lock knows; None where it needs none."""
        return emulator(self.twin.kind, self.twin.machine, self.cpu)

    @property
    def frameworks(self) -> tuple[Framework, ...]:
        """Which forms of firmware there are for it, the default first; () with an operating system."""
        if self.port == "library":
            return ("library",)
        if self.port == "arduino":
            return ("arduino",)
        own: tuple[Framework, ...] = ("bare-metal",) if self.port in BARE_METAL_PORTS else ()
        return (*own, "arduino") if self.arduino else own

    def acts(self, framework: Framework | None) -> tuple[ActKind, ...]:
        """What its firmware in one of its `frameworks` can do with a result; None: in its default."""
        if not self.frameworks:
            return ("serial", "http")  # the page's own, or the agent's
        chosen = framework or self.frameworks[0]
        led: tuple[ActKind, ...] = ("led",) if self.led or (self.pins and self.pins.led) else ()
        radio = sorted(self.arduino.acts) if self.arduino and chosen == "arduino" else ()
        return ("serial", *(led if chosen != "library" else ()), *radio)


def _without_bootloader(spec: BoardSpec) -> dict[str, Any]:
    """A core links its firmware at a place of its own: a cable writes that. Models have their slots all the same."""
    if spec.layout is None or spec.layout.own_bootloader is None:
        return {}
    update = Update(kind="usb-gateway", revert=False, power_safe=False, anti_rollback=False)
    return {"layout": spec.layout.without_bootloader(), "update": update}


class BoardMetadata(Strict):
    name: Name = Field(description="What fleets name it by; its file is named the same.")


class Board(Strict):
    """A board that fleets may name."""

    apiVersion: Literal["tinyops/v1"] = Field(description="The version of the format.")
    kind: Literal["Board"] = Field(description="Board.")
    metadata: BoardMetadata = Field(description="Its name.")
    extends: Name | None = Field(
        default=None,
        description="Another board, whose spec this one takes over: mappings are merged, lists and values replaced.",
    )
    spec: BoardSpec = Field(description="Its facts; with extends, those that differ.")

    @property
    def name(self) -> str:
        return self.metadata.name

    def built_with(self, framework: Framework | None) -> Board:
        """The board with its firmware in one of its `frameworks`; None: its default, the board as it is."""
        if framework != "arduino" or self.spec.port == "arduino":
            return self
        twin = self.spec.arduino.twin if self.spec.arduino else None
        changed = {"port": "arduino", "twin": twin or self.spec.twin, **_without_bootloader(self.spec)}
        return self.model_copy(update={"spec": self.spec.model_copy(update=changed)})

    @cached_property
    def digest(self) -> str:
        """`sha256:<hex>` of the board's facts: what the lock pins."""
        return digest_json(self.spec.model_dump(mode="json"))
