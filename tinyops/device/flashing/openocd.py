"""Boards with a debugger, by OpenOCD."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.device.flashing.kind import Job, Needs
from tinyops.errors import ToolError

_SPECIAL = set('{}[]$\\"\n;')  # of Tcl, in which it is told what to do


class Openocd:
    program = "openocd"
    package = "on Debian or Ubuntu: apt-get install openocd"
    needs: Needs = "usb"
    after_cut = "its debugger is whole, the firmware is not: plug it in and run the same command again"
    reboots = False
    terminal = False
    forgets = False

    def command(self, program: Path, job: Job) -> Sequence[str]:
        if _SPECIAL & set(str(job.file)):
            raise ToolError(f"{job.file}: OpenOCD takes no such path", hint="copy the file to a plain path")
        argv = [str(program), *_configured(job)]
        if job.usb is not None and job.usb.serial:
            if not job.usb.serial.isalnum():
                raise ToolError(f"{job.board}: its debugger's serial number {job.usb.serial!r} cannot be named")
            argv += ["-c", f"adapter serial {job.usb.serial}"]
        at = f" {job.origin:#x}" if job.file.suffix == ".bin" else ""
        return [*argv, "-c", f"program {{{job.file}}} verify reset exit{at}"]


def _configured(job: Job) -> Sequence[str]:
    """OpenOCD's own files: `board` names one that loads the others; else a debugger and a chip are named."""
    if board := job.option("board"):
        return "-f", f"board/{board}.cfg"
    if not (target := job.option("target")):
        raise ToolError(f"{job.board}: OpenOCD is told of no chip", hint="name board or target in its flash_tool")
    return "-f", job.option("interface", "interface/cmsis-dap.cfg"), "-f", target
