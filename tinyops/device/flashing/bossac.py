"""SAM-BA bootloaders of Arduino's boards, by bossac."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.device.flashing.kind import Job, Needs


class Bossac:
    program = "bossac"
    package = "on Debian or Ubuntu: apt-get install bossa-cli"
    needs: Needs = "port"
    after_cut = "its bootloader is whole, the firmware is not: press reset twice, run the same command again"
    forgets = True

    def command(self, program: Path, job: Job) -> Sequence[str]:
        assert job.port is not None
        argv = [str(program), f"--port={job.port.removeprefix('/dev/')}"]
        if offset := job.option("offset"):
            argv.append(f"--offset={int(offset, 0):#x}")
        return [*argv, "--erase", "--write", "--verify", str(job.file), "--reset"]
