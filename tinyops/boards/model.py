"""One board of the catalogue, as a frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tinyops.boards.layout import Flash, Layout, Memory, check_layout
from tinyops.boards.machines import QEMU, USER_EMULATORS, emulator, place
from tinyops.boards.mcus import mcu_fault
from tinyops.documents import Matching, Misplaced, Name, Strict
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
    "xtensa-lx6",
    "xtensa-lx7",
    "wasm32",
    "x86-64",
    "aarch64",
]
Compiler: TypeAlias = Literal[
    "arm-none-eabi-gcc",
    "gcc",
    "aarch64-linux-gnu-gcc",
    "riscv64-unknown-elf-gcc",
    "avr-gcc",
    "clang",
    "xtensa-esp32-elf-gcc",
]
TwinKind: TypeAlias = Literal["native", "qemu", "qemu-user", "rp2040js", "simavr", "browser", "none"]
ModelForm: TypeAlias = Literal["image", "linked", "shared-object", "wasm"]
Framework: TypeAlias = Literal["bare-metal", "arduino", "library"]
ActKind: TypeAlias = Literal["serial", "led", "ble", "http"]
BARE_METAL_PORTS = ("nrf5", "rp2040", "mps2", "virt")
BOOTLOADER_PORTS = ("nrf5", "rp2040")
# PlatformIO's platforms of makers whose bootloader is told of trials: runtime/port/arduino/update_*.cpp.
TRIAL_PLATFORMS = ("espressif32",)
GUARANTEES = ("revert", "power_safe", "anti_rollback")
FlashProgram: TypeAlias = Literal[
    "picotool", "bossac", "esptool", "avrdude", "openocd", "dfu-util", "teensy", "copy", "vendor"
]
SerialLine: TypeAlias = Annotated[
    str, Matching(r"^Serial[A-Za-z0-9]*$", "a line of an Arduino core is named Serial, Serial1, …", max_length=32)
]
UsbNumber: TypeAlias = Annotated[NonNegativeInt, Field(le=0xFFFF)]


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
        default="application", description="What answers under this id; an id may be listed once for each."
    )
    settle_ms: NonNegativeInt = Field(
        default=0,
        le=30_000,
        description="Opening its line resets it, and for so long its bootloader takes for its own what is said.",
    )


class Pin(Strict):
    """A pin of the chip."""

    port: NonNegativeInt = Field(le=15, description="As in P1.03.")
    pin: NonNegativeInt = Field(le=31, description="As in P1.03.")
    label: str = Field(default="", description="As the board's maker prints it, or where it leads.")


class Pins(Strict):
    """What hangs on the chip's pins. Port nrf5, whose chips can put anything anywhere, needs tx and rx."""

    tx: Pin | None = Field(default=None, description="What the chip sends.")
    rx: Pin | None = Field(default=None, description="What it receives.")
    led: Pin | None = Field(default=None, description="Lit while high.")
    led_sink: Pin | None = Field(default=None, description="Of an LED between two pins: the other one, kept low.")
    scl: Pin | None = Field(default=None, description="Clock of the two-wire bus that its sensors hang on.")
    sda: Pin | None = Field(default=None, description="Data of that bus.")
    supply: Pin | None = Field(default=None, description="For port rp2040: a third of the supply voltage, to measure.")


class Update(Strict):
    """How the board is updated in the field, and what that guarantees."""

    kind: Literal["own-bootloader", "vendor-ab", "vendor-copy", "usb-gateway", "model-only"] = Field(
        description="Who writes a new firmware: our bootloader, the vendor's (into one of two slots, or by copying), a "
        "host over the cable; or nobody, where only models are updated."
    )
    revert: bool = Field(description="Goes back by itself to what ran before.")
    power_safe: bool = Field(description="Loss of power at any moment leaves something that runs.")
    anti_rollback: bool = Field(description="Refuses what is older by its security counter.")


class FlashTool(Strict):
    """How a person's cable brings a firmware onto the board."""

    kind: FlashProgram = Field(description="copy: onto the drive that the board shows; vendor: its maker's own.")
    file: Literal["bin", "hex", "uf2", "elf"] = Field(description="Which of the firmware's files it takes.")
    touch_1200: bool = Field(default=False, description="Opening its port at 1200 baud starts its bootloader.")
    volume: str = Field(default="", description="Label of the drive that it shows.")
    options: Mapping[str, str | int] = Field(default={}, description="What the program must be told of the board.")


class Driver(Strict):
    """How the Arduino port reads one of the board's sensors."""

    file: Name = Field(description="A file below runtime/port/arduino/sensors, without its ending.")
    libraries: tuple[str, ...] = Field(default=(), description="PlatformIO's libraries, owner/name@version.")


class Act(Strict):
    """How the Arduino port tells others of a result: a radio that the firmware uses."""

    file: Name = Field(description="A file below runtime/port/arduino/acts, without its ending.")
    libraries: tuple[str, ...] = Field(default=(), description="PlatformIO's libraries, owner/name@version.")
    encrypted: bool = Field(default=False, description="For http: it can check a server's certificate, so https works.")


class Twin(Strict):
    """How the board is emulated and what that leaves unproven."""

    kind: TwinKind = Field(description="native: on the build machine itself; qemu-user: as a process of another CPU.")
    machine: str = Field(default="", description="As QEMU or simavr names it.")
    same_machine: bool = Field(description="The emulator runs the board's own firmware bytes, not a port's.")
    not_covered: tuple[str, ...] = Field(default=(), description="What only the board itself would show.")


class Arduino(Strict):
    """The PlatformIO platform with an Arduino core that builds for the board."""

    platform: str = Field(description="As `platform =` takes it, without a version.")
    version: str = Field(description="Of the platform; a tag where it is a repository.")
    board: str = Field(description="PlatformIO's name of the board.")
    core: str = Field(default="", description="`board_build.core`, where a platform has several.")
    serial: SerialLine = Field(default="Serial", description="The core's line that leads to the host.")
    libraries: tuple[str, ...] = Field(default=(), description="Beside those of drivers, owner/name@version.")
    drivers: Mapping[str, Driver] = Field(default={}, description="By name of the sensor.")
    acts: Mapping[Literal["ble", "http"], Act] = Field(
        default={}, description="What its radio is used for beside the serial line and the LED."
    )
    options: Mapping[str, str] = Field(default={}, description="Further lines of its platformio.ini.")
    twin: Twin | None = Field(default=None, description="With this core, where the board's own twin cannot run it.")


class Silicon(Strict):
    """Whether tinyops ran on this board itself, not on its twin."""

    run: bool = Field(description="True only when it did.")
    note: str = Field(default="", description="How, or where the facts come from.")
    unsourced: tuple[str, ...] = Field(default=(), description="Figures of the file that no source at hand gives.")


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
