"""RP2040 boards in rp2040js: the board's own firmware from the second stage of the boot on, under Node.js."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinyops.errors import ToolError
from tinyops.toolchain import Tool, installed, locked
from tinyops.twin.machine import Boot, VirtualBoard, start

SCRIPT = Path(__file__).parent / "node" / "rp2040.mjs"
EMULATOR = "rp2040js"


@contextlib.contextmanager
def boot(what: Boot) -> Iterator[VirtualBoard]:
    """The board with its firmware and, when there is one, the model image in its slot."""
    spec = what.spec
    if spec.memory is None or spec.layout is None or not spec.twin.same_machine:
        raise ToolError(f"{what.board}: rp2040js needs a board with memory, layout and its own firmware")
    origin = spec.memory.flash[0].origin
    loads = [(what.file("firmware.bin"), spec.layout.firmware[0].origin - origin)]
    if "model.bin" in what.files:
        loads.append((what.files["model.bin"], spec.layout.model[0].origin - origin))
    command = emulator_command(_emulator(what), loads)
    with start(what.board, lambda line: [*command, "--line", str(line)]) as virtual:
        yield virtual


def emulator_command(emulator: Tool, loads: Sequence[tuple[Path, int]]) -> list[str | Path]:
    """The emulator with files in its flash, each at an offset; a caller adds the line and what else it wants."""
    command: list[str | Path] = [installed("node").path, SCRIPT, "--library", emulator.path]
    for path, offset in loads:
        command += ["--load", f"{path}@{offset}"]
    return command


def _emulator(what: Boot) -> Tool:
    wanted = what.lock.get("emulator")
    return locked(EMULATOR, str(wanted["version"])) if wanted else installed(EMULATOR)
