"""Linux boards on this machine: the model's shared object in a process of its own, behind the same link."""

from __future__ import annotations

import contextlib
import os
import platform
import stat
from collections.abc import Iterator
from pathlib import Path

from tinyops.errors import ToolError
from tinyops.twin.machine import Boot, ProcessBoard, start_process
from tinyops.twin.runner import prepare_runner, recording_file, settings_file
from tinyops.twin.upstream import Upstream, upstream_of

PART = "part"  # of the firmware's files: the program that is a part of a chain
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
            what.board, _command(what, flash, recording, upstream), also=upstream.numbers, flash=flash
        ) as virtual,
    ):
        virtual.upstream = upstream.ours
        yield virtual


def _command(what: Boot, flash: Path, recording: Path | None, upstream: Upstream) -> list[str | Path]:
    """A part of a chain is the program that its firmware step built; other boards have none of their own."""
    if PART not in what.files:
        return prepare_runner(what, flash, recording, upstream)
    command: list[str | Path] = [_executable(what.file(PART)), "--line", "fd:0"]
    command += ["--model", what.file("model.so").resolve()]
    command += ["--replay", recording] if recording is not None else []
    return [*command, *(word for number in upstream.numbers for word in ("--upstream", f"fd:{number}"))]


def _executable(program: Path) -> Path:
    """A store's files may be no programs: then its owner's may be."""
    path = program.resolve()
    if not os.access(path, os.X_OK):
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
