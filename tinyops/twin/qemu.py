"""Boards in QEMU: the board's own machine, or one with the same core that runs the twin's port."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tinyops.boards.machines import QEMU
from tinyops.errors import ToolError
from tinyops.toolchain import Tool, installed, locked
from tinyops.twin.machine import Boot, VirtualBoard, start
from tinyops.twin.released import address_of

# One instruction takes one nanosecond of the guest's time: its timers count instructions.
COUNTING = ("-icount", "shift=0")


@contextlib.contextmanager
def boot(what: Boot) -> Iterator[VirtualBoard]:
    """The board with its firmware and, when there is one, the model image in its slot."""
    spec = what.spec
    machine = QEMU[spec.twin.machine]
    emulator = _emulator(what, machine.emulator)
    firmware = firmware_file(what)
    command: list[str | Path] = [emulator.path, "-M", spec.twin.machine, *machine.options, *COUNTING]
    command += ["-nodefaults", "-nic", "none", "-display", "none", "-monitor", "none"]
    command += ["-kernel", _plain(firmware)]
    if "model.bin" in what.files:
        slot = address_of(firmware, "tinyops_model_slot")
        command += ["-device", f"loader,file={_plain(what.files['model.bin'])},addr={slot:#x},force-raw=on"]

    def with_line(line: int) -> list[str | Path]:
        return [*command, "-chardev", f"socket,id=line,fd={line}", "-serial", "chardev:line"]

    with start(what.board, with_line) as virtual:
        yield virtual


def firmware_file(what: Boot) -> Path:
    """The ELF that boots: the board's released one on its own machine, else the twin's."""
    return what.file("firmware.elf" if what.spec.twin.same_machine else "twin.elf")


def _emulator(what: Boot, name: str) -> Tool:
    wanted = what.lock.get("emulator")
    return locked(str(wanted["name"]), str(wanted["version"])) if wanted else installed(name)


def _plain(path: Path) -> Path:
    """QEMU splits its options at commas and has no quotes."""
    if "," in str(path):
        raise ToolError(f"{path}: QEMU cannot take a path with a comma", hint="move the store to another folder")
    return path
