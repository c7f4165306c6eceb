"""RP2040 boards in rp2040js: the board's own firmware from the second stage of the boot on, under Node.js."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinyops.boards.layout import Flash, Layout
from tinyops.errors import ToolError
from tinyops.files import read_bounded
from tinyops.toolchain import Tool, installed
from tinyops.twin.flash import flash_file, programs_allowed
from tinyops.twin.flashed import starts_by_bootloader
from tinyops.twin.machine import Boot, Counted, OrderedBoard, start_ordered
from tinyops.twin.recorded import replay_file
from tinyops.twin.upstream import upstream_of

SCRIPT = Path(__file__).parent / "node" / "rp2040.mjs"
EMULATOR = "rp2040js"


class PicoBoard(OrderedBoard):
    """A virtual RP2040; its orders and answers are lines of JSON."""

    kind = "rp2040js"

    def reset(self) -> None:
        self._do(do="reset")

    def power_cut(self) -> None:
        self._do(do="power-cut")

    def cut_in(self, operation: int) -> None:
        self._do(do="cut-in", operation=operation)

    def measure(self) -> Counted:
        found = self._do(do="state")
        return Counted(resets=found["resets"], operations=found["operations"], cycles=found["cycles"])

    def _do(self, **order: int | str) -> dict[str, int]:
        answer: dict[str, int] = json.loads(self.order(json.dumps(order)))
        if "error" in answer:
            raise self._cannot(f"do this: {order}: {answer['error']}")
        return answer


@contextlib.contextmanager
def boot(what: Boot) -> Iterator[PicoBoard]:
    """The board with its firmware and, when there is one, the model image in its slot."""
    spec = what.spec
    if spec.memory is None or spec.layout is None or not spec.twin.same_machine:
        raise ToolError(f"{what.board}: rp2040js needs a board with memory, layout and its own firmware")
    flash = spec.memory.flash[0]
    with (
        flash_file([flash], what.state, _written(what, spec.layout, flash)) as path,
        replay_file(what.on_chip()) as recording,
        upstream_of(what) as upstream,
    ):
        command = [*emulator_command(what.tool("emulator", EMULATOR), [], flash), "--flash", path]
        command += ["--replay", recording] if recording is not None else []
        if what.silicon:
            command += ["--number", what.silicon.hex()]
        for number in upstream.numbers:
            command += ["--upstream", str(number)]

        def with_sockets(line: int, orders: int) -> list[str | Path]:
            return [*command, "--line", str(line), "--control", str(orders)]

        with start_ordered(PicoBoard, what.board, with_sockets, also=upstream.numbers) as virtual:
            virtual.upstream = upstream.ours
            yield virtual


def _written(what: Boot, layout: Layout, flash: Flash) -> dict[int, bytes]:
    """What a cable wrote."""
    if starts_by_bootloader(what.spec, what.files):
        return what.flash_content()
    written = {layout.firmware[0].origin: read_bounded(what.file("firmware.bin"), flash.bytes)}
    if "model.bin" in what.files:
        written |= {layout.model[0].origin: read_bounded(what.files["model.bin"], flash.bytes)}
    return written


def emulator_command(emulator: Tool, loads: Sequence[tuple[Path, int]], flash: Flash | None = None) -> list[str | Path]:
    """The emulator with files in its flash, each at an offset; a caller adds the line and what else it wants.

    `flash` are the facts whose rules it enforces; without them those of the Pico's flash chip.
    """
    command: list[str | Path] = [installed("node").path, SCRIPT, "--library", emulator.path]
    if flash is not None:
        facts = (flash.bytes, flash.erase_bytes, flash.program_bytes, programs_allowed(flash))
        command += ["--facts", ":".join(str(number) for number in facts)]
    for path, offset in loads:
        command += ["--load", f"{path}@{offset}"]
    return command
