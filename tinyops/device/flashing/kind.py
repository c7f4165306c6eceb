"""What every way to flash a board offers. Commands are pure; `session` runs them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from tinyops.boards.model import FlashTool
from tinyops.device.identify.usb import UsbDevice

FLASH_TIMEOUT_S = 600.0
BLANK_BYTES = 8192  # of the file that blanks flash: two sectors
Needs: TypeAlias = Literal["port", "usb", "drive"]
Report: TypeAlias = Callable[[int], None]  # how far it is, in per cent
# As the tools print it (tests/build/test_flashing_programs.py says where each was read).
_PERCENT = re.compile(r"(?<![\d.])(\d{1,3})(?:\.\d+)? ?%")


@dataclass(frozen=True)
class Job:
    """One file for one board. `port` is its serial line, `usb` the device, as far as there are any; `others` says
    that more boards of its kind are connected, of which only this one is meant. `blank` is a file of BLANK_BYTES as
    erased flash has them.
    """

    board: str
    tool: FlashTool
    file: Path
    origin: int
    port: str | None = None
    usb: UsbDevice | None = None
    others: bool = False
    blank: Path = Path()

    def option(self, name: str, default: str = "") -> str:
        return str(self.tool.options.get(name, default))


class Way(Protocol):
    """How one kind of program, or none, brings a file onto a board.

    `program` is what must be on PATH, `package` says how it is installed. `needs` is what the board must show:
    `port` a serial line, `usb` itself on USB in its bootloader or through its debugger, `drive` a disk. `after_cut`
    says what is left, and what to do, when the board vanishes meanwhile; `forgets` whether settings and models are
    erased, too; `reboots` whether it brings a running board into its bootloader by itself;
    `terminal` whether it shows how far it is on a terminal only.
    """

    program: str
    package: str
    needs: Needs
    after_cut: str
    forgets: bool
    reboots: bool
    terminal: bool

    def command(self, program: Path, job: Job) -> Sequence[str]:
        """The whole command line. Raises ToolError for a job that it cannot do."""


def percent(line: str) -> int | None:
    """How far a tool says it is: the last percentage in a line. For people only: nothing is decided by it."""
    found = _PERCENT.findall(line)
    return min(int(found[-1]), 100) if found else None
