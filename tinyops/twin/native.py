"""Linux boards on this machine: the model's shared object in a process of its own, behind the same link."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator

from tinyops.errors import ToolError
from tinyops.twin.machine import Boot, ProcessBoard, start_process
from tinyops.twin.runner import board_command, recording_file, settings_file
from tinyops.twin.upstream import upstream_of

MACHINE_CPUS = {"x86_64": "x86-64", "aarch64": "aarch64"}


@contextlib.contextmanager
def boot(what: Boot) -> Iterator[ProcessBoard]:
    """The runner with the board's shared object. Raises ToolError where this machine has another CPU."""
    if MACHINE_CPUS.get(platform.machine()) != what.spec.cpu:
        raise ToolError(
            f"{what.board}: its twin is native and wants {what.spec.cpu}, this machine is {platform.machine()}",
            hint="apply on a machine with that CPU",
        )
    with (
        settings_file(what) as flash,
        recording_file(what) as recording,
        upstream_of(what) as upstream,
        start_process(
            what.board, board_command(what, flash, recording, upstream), also=upstream.numbers, flash=flash
        ) as virtual,
    ):
        virtual.upstream = upstream.ours
        yield virtual
