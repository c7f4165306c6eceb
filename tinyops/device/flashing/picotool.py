"""RP2040 and RP2350 in their boot ROM, by picotool. Without it their drive is copied to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.device.flashing.kind import Job, Needs
from tinyops.errors import ToolError


class Picotool:
    program = "picotool"
    package = "picotool, of Raspberry Pi (github.com/raspberrypi/picotool), or mount the board's drive"
    needs: Needs = "usb"
    after_cut = (
        "its boot ROM cannot be lost; the firmware is incomplete: hold BOOTSEL while you plug it in and run the same "
        "command again"
    )
    reboots = False
    terminal = False
    forgets = False

    def command(self, program: Path, job: Job) -> Sequence[str]:
        argv = [str(program), "load", "--verify", "--execute", str(job.file)]
        if job.usb is not None and job.usb.bus:  # every RP2040's boot ROM has the same serial number
            argv += ["--bus", str(job.usb.bus), "--address", str(job.usb.address)]
        elif job.others:
            raise ToolError(f"{job.board}: several wait in their bootloader", hint="leave one of them plugged in")
        return argv
