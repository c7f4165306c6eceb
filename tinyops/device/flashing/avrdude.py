"""AVRs with a bootloader on their serial line, by avrdude."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.device.flashing.kind import Job, Needs
from tinyops.errors import ToolError


class Avrdude:
    program = "avrdude"
    package = "on Debian or Ubuntu: apt-get install avrdude"
    needs: Needs = "port"
    after_cut = "its bootloader is whole, the firmware is not: plug it in and run the same command again"
    reboots = False
    terminal = True
    forgets = False

    def command(self, program: Path, job: Job) -> Sequence[str]:
        assert job.port is not None
        if any(c in job.file.name for c in ":\n"):  # they separate the parts of its -U
            raise ToolError(f"{job.file}: avrdude takes no colon in a file's name", hint="rename the file")
        argv = [str(program), "-c", job.option("programmer", "arduino"), "-p", job.option("part")]
        argv += ["-P", job.port, "-b", job.option("baud", "115200"), "-D"]
        return [*argv, "-U", f"flash:w:{job.file}:i"]
