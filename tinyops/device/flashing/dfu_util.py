"""Bootloaders that speak USB's own DFU, by dfu-util."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.device.flashing.kind import Job, Needs


class DfuUtil:
    program = "dfu-util"
    package = "on Debian or Ubuntu: apt-get install dfu-util"
    needs: Needs = "usb"
    after_cut = "its bootloader is whole, the firmware is not: press reset twice, run the same command again"
    reboots = False
    terminal = False
    forgets = False

    def command(self, program: Path, job: Job) -> Sequence[str]:
        argv = [str(program), "--reset", "--alt", job.option("alt", "0")]
        if job.usb is not None:
            argv += ["--device", job.usb.ids]
            argv += ["--serial", job.usb.serial] if job.usb.serial else ["--path", job.usb.at]
        if address := job.option("address"):
            argv += ["--dfuse-address", f"{int(address, 0):#x}:leave"]
        return [*argv, "--download", str(job.file)]
