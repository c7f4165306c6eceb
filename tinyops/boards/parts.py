"""The parts of a board in the catalogue: its sensors, USB ids, pins, how it is flashed, updated and emulated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tinyops.documents import Matching, Misplaced, Name, Strict

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
LinkKind: TypeAlias = Literal["uart", "tcp", "udp", "ble"]
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
    upstream_tx: Pin | None = Field(default=None, description="In a chain: sent to the part before. Of an nRF52.")
    upstream_rx: Pin | None = Field(default=None, description="In a chain: received from the part before.")
    downstream_tx: Pin | None = Field(
        default=None, description="In a chain: sent to a next part that the line, which is USB's, does not reach."
    )
    downstream_rx: Pin | None = Field(default=None, description="In a chain: received from such a part.")
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


class WiredLine(Strict):
    """A serial line of an Arduino core that ends in pins, beside the one to the host."""

    line: SerialLine = Field(description="As the core names it.")
    tx: str = Field(default="", description="The pin that the board sends on, as it is labelled.")
    rx: str = Field(default="", description="The pin that it receives on.")
    flags: tuple[str, ...] = Field(default=(), description="What the core must be built with to have it.")


class Arduino(Strict):
    """The PlatformIO platform with an Arduino core that builds for the board."""

    platform: str = Field(description="As `platform =` takes it, without a version.")
    version: str = Field(description="Of the platform; a tag where it is a repository.")
    board: str = Field(description="PlatformIO's name of the board.")
    core: str = Field(default="", description="`board_build.core`, where a platform has several.")
    serial: SerialLine = Field(default="Serial", description="The core's line that leads to the host.")
    wired: tuple[WiredLine, ...] = Field(
        default=(), description="Lines for the neighbours of a part of a chain: to the part before, else to the next."
    )
    libraries: tuple[str, ...] = Field(default=(), description="Beside those of drivers, owner/name@version.")
    drivers: Mapping[str, Driver] = Field(default={}, description="By name of the sensor.")
    acts: Mapping[Literal["ble", "http"], Act] = Field(
        default={}, description="What its radio is used for beside the serial line and the LED."
    )
    options: Mapping[str, str] = Field(default={}, description="Further lines of its platformio.ini.")
    twin: Twin | None = Field(default=None, description="With this core, where the board's own twin cannot run it.")


class ChainLinks(Strict):
    """Over what a board with our own firmware, or an agent, hands tensors on as a part of a chain. None: not at all."""

    receives: tuple[LinkKind, ...] = Field(default=(), description="From the part before: beside the line to its host.")
    sends: tuple[LinkKind, ...] = Field(default=(), description="To the next part: over the line to its host.")


class Silicon(Strict):
    """Whether tinyops ran on this board itself, not on its twin."""

    run: bool = Field(description="True only when it did.")
    note: str = Field(default="", description="How, or where the facts come from.")
    unsourced: tuple[str, ...] = Field(default=(), description="Figures of the file that no source at hand gives.")
