"""Espressif's chips, by esptool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.device.flashing.kind import Job, Needs


class Esptool:
    program = "esptool"
    package = "pip install esptool"
    needs: Needs = "port"
    after_cut = (
        "its boot ROM cannot be lost; the firmware is incomplete: plug it in, hold BOOT while you press reset, and run "
        "the same command again"
    )
    reboots = False
    terminal = False
    forgets = False

    def command(self, program: Path, job: Job) -> Sequence[str]:
        assert job.port is not None
        chip, baud = job.option("chip", "auto"), job.option("baud", "460800")
        offset = int(job.option("offset", "0x10000"), 0)
        argv = [str(program), "--chip", chip, "--port", job.port, "--baud", baud]
        # Since version 5 also write-flash; this is what version 4 knows, too.
        argv += ["write_flash", f"{offset:#x}", str(job.file)]
        # Which slot starts, as the bootloader remembers it; blank, it is the first one. Last: until then what ran does.
        otadata = job.option("otadata")
        return [*argv, f"{int(otadata, 0):#x}", str(job.blank)] if otadata else argv
