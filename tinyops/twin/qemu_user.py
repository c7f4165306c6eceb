"""Linux boards of another CPU: the cross-compiled runner as a process of QEMU's user mode, its instructions counted."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tinyops.boards.machines import USER_EMULATORS
from tinyops.errors import ToolError
from tinyops.process import run
from tinyops.toolchain import Tool
from tinyops.twin.compiled import build_once
from tinyops.twin.machine import Boot, ProcessBoard, start_process
from tinyops.twin.qemu import plain_path
from tinyops.twin.runner import PART, board_command, recording_file, settings_file
from tinyops.twin.upstream import upstream_of

COUNTER_SOURCE = Path(__file__).with_name("instruction_counter.c")
COUNTER_FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden")
COUNTER_BYTES = 4096  # a page
LOADERS = {"aarch64": "ld-linux-aarch64.so.1"}  # of the C library that cross compilers come with


@contextlib.contextmanager
def boot(what: Boot) -> Iterator[ProcessBoard]:
    """The runner with the board's shared object. Raises ToolError for a CPU that no emulator here runs."""
    name = USER_EMULATORS.get(what.spec.cpu)
    if name is None:
        known = ", ".join(sorted(USER_EMULATORS))
        raise ToolError(f"{what.board}: no twin runs processes of a {what.spec.cpu}", hint=f"known: {known}")
    emulator = what.tool("emulator", name)
    with (
        settings_file(what) as flash,
        recording_file(what) as recording,
        upstream_of(what) as upstream,
        _counter() as counter,
    ):
        command = board_command(what, flash, recording, upstream)
        emulated = [emulator.path, *_library(what)]
        if PART not in what.files:  # which counts nothing
            emulated += ["-plugin", f"file={plain_path(build_counter(emulator))},counter={counter}"]
            command.append(str(counter))
        with start_process(what.board, [*emulated, *command], also=(counter, *upstream.numbers)) as virtual:
            virtual.upstream = upstream.ours
            yield virtual


@contextlib.contextmanager
def _counter() -> Iterator[int]:
    """Memory that emulator and emulated process share; gives the number of its file."""
    number = os.memfd_create("tinyops-counter")
    try:
        os.truncate(number, COUNTER_BYTES)
        yield number
    finally:
        os.close(number)


def build_counter(emulator: Tool) -> Path:
    """The plugin that counts."""
    interface = 2 if int(emulator.version.partition(".")[0]) >= 9 else 1  # the same functions are used of both
    arguments: list[str | Path] = [*COUNTER_FLAGS, f"-DINTERFACE={interface}", COUNTER_SOURCE]
    return build_once("counter", str(arguments), [COUNTER_SOURCE], lambda made: [*arguments, "-o", made])


def _library(what: Boot) -> list[str | Path]:
    """Where the emulator finds the C library of the cross compiler; nothing where that is this machine's own."""
    compiler, loader = what.tool("compiler", what.spec.compiler), LOADERS[what.spec.cpu]
    place = Path(run([compiler.path, f"-print-file-name={loader}"], timeout_s=20).stdout.strip())
    if not place.is_absolute():
        hint = "on Debian or Ubuntu: apt-get install libc6-dev-arm64-cross"
        raise ToolError(f"{compiler.path}: has no C library for {what.spec.cpu} ({loader})", hint=hint)
    root = place.parent.resolve().parent
    return [] if root in (Path("/"), Path("/usr")) else ["-L", root]
