"""Boards whose interface chip flashes what is copied onto their drive, as a micro:bit's does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.device.flashing.kind import Job, Needs


class Copying:
    program = ""
    package = ""
    needs: Needs = "drive"
    after_cut = "its interface chip is whole, the firmware is not: plug it in and run the same command again"
    reboots = False
    terminal = False
    forgets = True

    def command(self, program: Path, job: Job) -> Sequence[str]:
        raise AssertionError(f"{job.board}: {program} is copied with no program")
