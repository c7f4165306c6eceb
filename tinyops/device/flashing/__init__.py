"""Bringing firmware onto a board over its cable: one file a way, one registry."""

from __future__ import annotations

from collections.abc import Mapping

from tinyops.boards.model import Board, FlashProgram, FlashTool
from tinyops.device.flashing.avrdude import Avrdude
from tinyops.device.flashing.bossac import Bossac
from tinyops.device.flashing.copying import Copying
from tinyops.device.flashing.dfu_util import DfuUtil
from tinyops.device.flashing.esptool import Esptool
from tinyops.device.flashing.kind import Job, Way, percent
from tinyops.device.flashing.openocd import Openocd
from tinyops.device.flashing.picotool import Picotool
from tinyops.device.flashing.teensy import Teensy
from tinyops.errors import ToolError

__all__ = ["WAYS", "Job", "Way", "percent", "way_of"]

WAYS: Mapping[FlashProgram, Way] = {
    "picotool": Picotool(),
    "bossac": Bossac(),
    "esptool": Esptool(),
    "avrdude": Avrdude(),
    "openocd": Openocd(),
    "dfu-util": DfuUtil(),
    "teensy": Teensy(),
    "copy": Copying(),
}


def way_of(board: Board) -> tuple[FlashTool, Way]:
    """Raises ToolError for a board that tinyops flashes in no way."""
    tool = board.spec.flash_tool
    if tool is None or tool.kind not in WAYS:
        if board.spec.layout is None:
            hint = "it runs the agent: `tinyops agent --help`" if board.spec.port == "linux" else "open its page"
            raise ToolError(f"{board.name}: has an operating system, there is no firmware to flash", hint=hint)
        why = "its maker's own tool flashes it" if tool else "its board file has no flash_tool"
        raise ToolError(f"{board.name}: {why}", hint="flash the released firmware.hex or firmware.bin by hand")
    return tool, WAYS[tool.kind]
