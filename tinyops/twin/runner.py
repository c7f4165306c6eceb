"""The program that is a virtual Linux board: the application over a socket, its model from a shared object."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tinyops.files import MIB, digest_json, read_bounded
from tinyops.toolchain import CPU_FLAGS, Tool
from tinyops.twin.compiled import build_once
from tinyops.twin.flash import FLASH
from tinyops.twin.machine import Boot
from tinyops.twin.recorded import at_rate, replay_file
from tinyops.twin.upstream import Upstream

PART = "part"  # of the firmware's files: the program that is a part of a chain
SLOTS = "slots"  # a folder with its models, in place of model.so: see runtime/port/part/models.h
RUNTIME = Path(__file__).parent.parent / "runtime"
SOURCE_FOLDERS = ("port/native", "port/sim", "app", "smp", "digest", "settings")
FLAGS = ("-std=c99", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-pthread", "-Wl,-z,now", "-Wl,--build-id=none")


@contextlib.contextmanager
def recording_file(what: Boot) -> Iterator[Path | None]:
    """The recording that the board's sensor replays, at the rate that its firmware would ask for."""
    replay, rate_hz = what.replay, what.contract["input"].get("rate_hz")
    with replay_file(at_rate(replay, rate_hz, what.board) if replay is not None else None) as path:
        yield path


@contextlib.contextmanager
def settings_file(what: Boot) -> Iterator[Path]:
    """The file that stands for the board's flash, which runtime/port/native/file_flash.h describes."""
    if what.state is not None:
        what.state.mkdir(parents=True, exist_ok=True)
        yield what.state.resolve() / FLASH
        return
    with tempfile.TemporaryDirectory(prefix="tinyops-twin-") as name:
        yield Path(name) / FLASH


def board_command(what: Boot, flash: Path, recording: Path | None, upstream: Upstream) -> list[str | Path]:
    """A part of a chain is the program that its firmware step built; other boards have none of their own."""
    if PART not in what.files:
        return prepare_runner(what, flash, recording, upstream)
    command: list[str | Path] = [_executable(what.file(PART)), "--line", "fd:0"]
    if SLOTS in what.files:
        command += ["--slots", what.file(SLOTS).resolve()]
    else:
        command += ["--model", what.file("model.so").resolve()]
    command += ["--replay", recording] if recording is not None else []
    return [*command, *(word for number in upstream.numbers for word in ("--upstream", f"fd:{number}"))]


def _executable(program: Path) -> Path:
    """A store's files may be no programs: then its owner's may be."""
    path = program.resolve()
    if not os.access(path, os.X_OK):
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def prepare_runner(what: Boot, flash: Path, recording: Path | None, upstream: Upstream) -> list[str | Path]:
    """Compiles it for the board's CPU; gives its command line. `recording` is what its sensor replays."""
    frame_values = what.contract["input"].get("frame_values") or 0
    arguments = [what.board, digest_json(what.contract).removeprefix("sha256:")]
    arguments += [str(_arena_bytes(what)), str(int(frame_values))]
    model = what.file("model.so").resolve()
    option: list[str | Path] = ["--flash", flash]
    option += ["--fleet", what.fleet] if what.fleet else []
    option += ["--silicon", what.silicon.hex()] if what.silicon else []
    option += ["--replay", recording] if recording is not None else []
    for number in upstream.numbers:
        option += ["--upstream", str(number)]
    return [build_runner(what.tool("compiler", what.spec.compiler), what.spec.cpu), *option, model, *arguments]


def build_runner(compiler: Tool, cpu: str) -> Path:
    """The runner for a CPU, compiled from the runtime's C."""
    folders = [RUNTIME / name for name in SOURCE_FOLDERS]
    compiled = [source for folder in folders for source in sorted(folder.glob("*.c"))]
    read = [
        *compiled,
        *sorted(RUNTIME.glob("include/tinyops/*.h")),
        *(h for f in folders for h in sorted(f.glob("*.h"))),
    ]
    flags: list[str | Path] = [*CPU_FLAGS[cpu], *FLAGS, "-I", RUNTIME / "include", "-I", RUNTIME / "port/sim"]
    identity = f"{CPU_FLAGS[cpu]}|{FLAGS}"
    return build_once("runner", identity, read, lambda made: [*flags, *compiled, "-ldl", "-o", made], compiler)


def _arena_bytes(what: Boot) -> int:
    """The contract's arena; what the model needs where the board's memory is not the limit."""
    given = what.contract["arena_bytes"]
    if given is None:
        given = json.loads(read_bounded(what.file("compile.json"), MIB))["arena_bytes"]
    return int(given)
