"""The program that is a virtual Linux board: the application over a socket, its model from a shared object."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tinyops.files import MIB, digest_json, read_bounded
from tinyops.process import run
from tinyops.toolchain import CPU_FLAGS, Tool, installed, locked
from tinyops.twin.machine import Boot

RUNTIME = Path(__file__).parent.parent / "runtime"
COMPILE_TIMEOUT_S = 60
SOURCE_FOLDERS = ("port/native", "app", "smp")
FLAGS = ("-std=c99", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-pthread", "-Wl,-z,now", "-Wl,--build-id=none")


@contextlib.contextmanager
def prepare_runner(what: Boot) -> Iterator[list[str | Path]]:
    """Compiles it for the board's CPU; gives its command line, which is good until the context ends."""
    frame_values = what.contract["input"].get("frame_values") or 0
    arguments = [what.board, digest_json(what.contract).removeprefix("sha256:")]
    arguments += [str(_arena_bytes(what)), str(int(frame_values))]
    model = what.file("model.so").resolve()
    option: list[str | Path] = []
    if what.replay is not None:
        option = ["--replay", what.replay.path.resolve(), str(what.replay.rate_millihz)]
    with tempfile.TemporaryDirectory(prefix="tinyops-twin-") as folder:
        yield [compile_runner(compiler_of(what), what.spec.cpu, Path(folder)), *option, model, *arguments]


def compile_runner(compiler: Tool, cpu: str, folder: Path) -> Path:
    """Compiles the runner from the runtime's C; returns its path in `folder`."""
    runner = folder / "runner"
    sources = [source for name in SOURCE_FOLDERS for source in sorted((RUNTIME / name).glob("*.c"))]
    command: list[str | Path] = [compiler.path, *CPU_FLAGS[cpu], *FLAGS, "-I", RUNTIME / "include"]
    command += [*sources, "-ldl", "-o", runner]
    run(command, timeout_s=COMPILE_TIMEOUT_S, what=f"{compiler.name}, compiling the twin's runner")
    return runner


def compiler_of(what: Boot) -> Tool:
    """The locked compiler, or the board's own as it is installed here."""
    wanted = what.lock.get("compiler")
    return locked(str(wanted["name"]), str(wanted["version"])) if wanted else installed(what.spec.compiler)


def _arena_bytes(what: Boot) -> int:
    """The contract's arena; what the model needs where the board's memory is not the limit."""
    given = what.contract["arena_bytes"]
    if given is None:
        given = json.loads(read_bounded(what.file("compile.json"), MIB))["arena_bytes"]
    return int(given)
