"""Boards in QEMU: the board's own machine, or one with the same core that runs the twin's port."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tinyops.boards.layout import Flash, Region
from tinyops.boards.machines import QEMU, place
from tinyops.boards.model import BoardSpec
from tinyops.errors import ToolError
from tinyops.files import MIB, read_bounded
from tinyops.toolchain import Tool
from tinyops.twin.compiled import build_once
from tinyops.twin.flash import flash_file, programs_allowed
from tinyops.twin.flashed import starts_by_bootloader
from tinyops.twin.machine import Boot, OrderedBoard, start_ordered
from tinyops.twin.recorded import Replay, replay_file
from tinyops.twin.released import address_of, segments
from tinyops.twin.upstream import upstream_of

# One instruction takes one nanosecond of the guest's time: its timers count instructions.
COUNTING = ("-icount", "shift=0")
HURRIED = ("-icount", "shift=0,sleep=off")  # and while the core sleeps they run ahead to the next one
MODEL = Path(__file__).parent.parent / "runtime/port/sim"
PLUGIN_SOURCES = (*sorted(Path(__file__).parent.glob("qemu_*.[ch]")), *sorted(MODEL.glob("*.[ch]")))
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden", "-pthread")
CONTROLLERS: Mapping[str, int] = MappingProxyType({"microbit": 0x4001E000})  # machines whose flash can be written
# What QEMU lacks of a chip: its own number and why it started, which the firmware finds in registers that are for
# customers instead (see runtime/port/nrf5); its watchdog, whose registers the plugin watches.
NUMBERS: Mapping[str, int] = MappingProxyType({"microbit": 0x10001080})
CAUSES: Mapping[str, int] = MappingProxyType({"microbit": 0x10001088})
WATCHDOGS: Mapping[str, int] = MappingProxyType({"microbit": 0x40010000})
# And its two-wire interface, which in QEMU answers everybody the same, with the accelerometer that hangs on it.
INTERFACES: Mapping[str, tuple[int, str]] = MappingProxyType({"microbit": (0x40003000, "mma8653")})
IMAGE_LIMIT_BYTES = 64 * MIB
SEED = 1


class QemuBoard(OrderedBoard):
    """A board in QEMU with the plugin that lends it pins and power."""

    kind = "qemu"

    def cut_twice(self, operation: int, then: int) -> None:
        """As `cut_in`, and again within the operation of flash of that number from there. Raises ToolError."""
        self.order(f"cut_in {operation} {then}")

    def keep_power(self) -> None:
        """Takes back the cuts that were to come. Raises ToolError."""
        self.order("keep_power")

    def operation(self, number: int) -> tuple[str, int]:
        """What an operation of flash that was counted did: "erase" or "program", and its address. Raises ToolError."""
        what, _, address = self.order(f"operation {number}").partition(" ")
        return what, int(address)


@contextlib.contextmanager
def boot(what: Boot) -> Iterator[QemuBoard]:
    """The board with its firmware and, when there is one, the model image in its slot."""
    spec = what.spec
    machine = QEMU[spec.twin.machine]
    emulator = what.tool("emulator", machine.emulator)
    command: list[str | Path] = [emulator.path, "-M", spec.twin.machine, *machine.options]
    command += HURRIED if what.hurried else COUNTING
    command += ["-nodefaults", "-nic", "none", "-display", "none", "-monitor", "none"]
    ram = ram_of(spec)
    plugin = (
        f"file={plain_path(build_plugin(emulator))},ram={ram.origin}:{ram.bytes},vtor={int(spec.vtor is not False)}"
    )
    plugin += _chip(what)
    with (
        _memory(what) as (loads, options),
        replay_file(_measured(what)) as recording,
        upstream_of(what) as upstream,
    ):
        options += f",replay={plain_path(recording)}" if recording is not None else ""

        def with_sockets(line: int, orders: int) -> list[str | Path]:
            sockets = ["-chardev", f"socket,id=line,fd={line}", "-serial", "chardev:line"]
            for number in upstream.numbers:
                sockets += ["-chardev", f"socket,id=upstream,fd={number}", "-serial", "chardev:upstream"]
            return [*command, *loads, *sockets, "-plugin", f"{plugin}{options},orders={orders}"]

        with start_ordered(QemuBoard, what.board, with_sockets, also=upstream.numbers) as virtual:
            virtual.upstream = upstream.ours
            yield virtual


def _measured(what: Boot) -> Replay | None:
    """By the board's sensor: the machine's, or the chip that the board's own driver reads."""
    if what.replay is None or what.spec.twin.machine not in INTERFACES:
        return what.replay
    return what.on_chip()


def _chip(what: Boot) -> str:
    """The plugin's options for what QEMU lacks of the chip: number, watchdog, cause of a reset."""
    machine, options = what.spec.twin.machine, ""
    if what.silicon:
        low, high = (int.from_bytes(what.silicon[i : i + 4], "little") for i in (0, 4))
        options += f",number={NUMBERS.get(machine, 0)}:{low}:{high}"
    if machine in INTERFACES:
        at, chip = INTERFACES[machine]
        options += f",twi={at},chip={chip}"
    if machine in WATCHDOGS:
        options += f",watchdog={WATCHDOGS[machine]}:{what.spec.clock_hz},cause={CAUSES[machine]}"
    return options


@contextlib.contextmanager
def _memory(what: Boot) -> Iterator[tuple[list[str | Path], str]]:
    """What brings firmware and model into the machine: QEMU's options, the plugin's. QEMU's own loader would write
    them again at every reset, over what the board did to its flash: where there is flash, the plugin loads it."""
    if starts_by_bootloader(what.spec, what.files):
        with _all_flash(what) as made:
            yield made
        return
    firmware, image = firmware_file(what), what.files.get("model.bin")
    slot = address_of(firmware, "tinyops_model_slot") if image is not None else 0
    nvmc = CONTROLLERS.get(what.spec.twin.machine)
    if nvmc is None or what.spec.memory is None:
        loads: list[str | Path] = ["-kernel", plain_path(firmware)]
        if image is not None:
            loads += ["-device", f"loader,file={plain_path(image)},addr={slot:#x},force-raw=on"]
        flash = what.spec.settings_flash
        if flash is None:
            yield loads, ""
            return
        with flash_file([flash], what.state, {}) as path:
            yield loads, f",{facts_of([Ranged(flash, in_memory=False)], path)}"
        return
    flash = what.spec.memory.flash[0]
    written = segments(firmware)
    if image is not None:
        written |= {slot: read_bounded(image, IMAGE_LIMIT_BYTES)}
    with flash_file([flash], what.state, written) as path:
        yield [], f",{facts_of([Ranged(flash)], path)},nvmc={nvmc}"


@contextlib.contextmanager
def _all_flash(what: Boot) -> Iterator[tuple[list[str | Path], str]]:
    """The same of a board that a bootloader of ours starts: its flash lies in the machine where it does on the board,
    but for the bootloader, which lies where the machine starts."""
    assert what.spec.memory is not None  # it has a layout
    flash, nvmc = what.spec.memory.flash[0], CONTROLLERS.get(what.spec.twin.machine)
    with flash_file([flash], what.state, what.flash_content()) as path:
        yield [], f",{facts_of([Ranged(flash)], path)}{f',nvmc={nvmc}' if nvmc is not None else ''}"


@dataclass(frozen=True)
class Ranged:
    """A range of flash at its address in the machine. In memory code runs from it; else the board asks for it."""

    flash: Flash
    in_memory: bool = True


def facts_of(ranges: Sequence[Ranged], path: Path) -> str:
    """The plugin's options for flash whose content lies in a file, one range after another."""
    facts = "+".join(
        f"{flash.origin}:{flash.bytes}:{flash.erase_bytes}:{flash.program_bytes}:{programs_allowed(flash)}"
        f":{int(one.in_memory)}"
        for one in ranges
        for flash in [one.flash]
    )
    return f"flash={plain_path(path)},ranges={facts},seed={SEED}"


def ram_of(spec: BoardSpec) -> Region:
    """Where the board's RAM lies in its twin."""
    if spec.memory is None or spec.layout is None:
        raise ToolError("a twin in QEMU needs a board with memory and layout")
    machine = QEMU[spec.twin.machine]
    return spec.memory.ram if machine.port is None else place(machine, spec.memory, spec.layout).ram


def build_plugin(emulator: Tool) -> Path:
    """The plugin that lends a board pins, power and rules. Raises ToolError naming what is missing."""
    arguments: list[str | Path] = [*FLAGS, "-I", MODEL, *(source for source in PLUGIN_SOURCES if source.suffix == ".c")]
    return build_once("qemu", f"{emulator.version}|{FLAGS}", PLUGIN_SOURCES, lambda made: [*arguments, "-o", made])


def firmware_file(what: Boot) -> Path:
    """The ELF that boots: the board's released one on its own machine, else the twin's."""
    return what.file("firmware.elf" if what.spec.twin.same_machine else "twin.elf")


def plain_path(path: Path) -> Path:
    """The path, for an option of QEMU's. Raises ToolError for a comma: QEMU splits options there and has no quotes."""
    if "," in str(path):
        hint = "move the store, or the cache (TINYOPS_CACHE), to another folder"
        raise ToolError(f"{path}: QEMU cannot take a path with a comma", hint=hint)
    return path
