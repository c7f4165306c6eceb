"""SAM-BA bootloaders of Arduino's boards, by bossac.

Those of nRF52840 and RA4M1 name their chip themselves, which only Arduino's bossac asks for: BOSSA's own, which Debian
has, ends with "Device unsupported" there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.device.flashing.kind import Job, Needs


class Bossac:
    program = "bossac"
    package = "bossac 1.9.1-arduino5, as Arduino's IDE brings it; Debian's bossa-cli does not know these chips"
    needs: Needs = "port"
    after_cut = "its bootloader is whole, the firmware is not: press reset twice, run the same command again"
    reboots = False
    terminal = False
    forgets = True

    def command(self, program: Path, job: Job) -> Sequence[str]:
        assert job.port is not None
        argv = [str(program), f"--port={job.port.removeprefix('/dev/')}"]
        if offset := job.option("offset"):
            argv.append(f"--offset={int(offset, 0):#x}")
        verify = ["--verify"] if job.option("verify", "yes") == "yes" else []
        return [*argv, "--erase", "--write", *verify, str(job.file), "--reset"]
