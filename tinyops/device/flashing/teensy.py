"""Teensy's bootloader, by teensy_loader_cli."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.device.flashing.kind import Job, Needs
from tinyops.errors import ToolError


class Teensy:
    program = "teensy_loader_cli"
    package = "on Debian or Ubuntu: apt-get install teensy-loader-cli"
    needs: Needs = "usb"
    after_cut = "its bootloader is whole, the firmware is not: press its button, run the same command again"
    forgets = True
    reboots = True  # -s: by its serial line's USB requests
    terminal = False

    def command(self, program: Path, job: Job) -> Sequence[str]:
        if job.others:
            raise ToolError(
                f"{job.board}: {self.program} cannot choose between several", hint="leave one of them plugged in"
            )
        mcu = job.option("mcu", "TEENSY41")
        return [str(program), f"--mcu={mcu}", "-w", "-s", "-v", str(job.file)]
