"""Linux boards on this machine: the model's shared object in a process of its own, behind the same link."""

from __future__ import annotations

import contextlib
import json
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tinyops.errors import ToolError
from tinyops.files import MIB, digest_json, read_bounded
from tinyops.process import run
from tinyops.toolchain import CPU_FLAGS, Tool, installed, locked
from tinyops.twin.machine import Boot, VirtualBoard, start

RUNTIME = Path(__file__).parent.parent / "runtime"
COMPILE_TIMEOUT_S = 60
FLAGS = ("-std=c99", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-pthread", "-Wl,-z,now", "-Wl,--build-id=none")
MACHINE_CPUS = {"x86_64": "x86-64", "aarch64": "aarch64"}


@contextlib.contextmanager
def boot(what: Boot) -> Iterator[VirtualBoard]:
    """The runner with the board's shared object. Raises ToolError where this machine has another CPU."""
    if MACHINE_CPUS.get(platform.machine()) != what.spec.cpu:
        raise ToolError(
            f"{what.board}: its twin is native and wants {what.spec.cpu}, this machine is {platform.machine()}",
            hint="apply on a machine with that CPU",
        )
    frame_values = what.contract["input"].get("frame_values") or 0
    arguments = [what.board, digest_json(what.contract).removeprefix("sha256:")]
    arguments += [str(_arena_bytes(what)), str(int(frame_values))]
    model = what.file("model.so").resolve()
    with tempfile.TemporaryDirectory(prefix="tinyops-twin-") as folder:
        runner = compile_runner(_compiler(what), what.spec.cpu, Path(folder))
        with start(what.board, lambda _: [runner, model, *arguments]) as virtual:
            yield virtual


def _arena_bytes(what: Boot) -> int:
    """The contract's arena; what the model needs where the board's memory is not the limit."""
    given = what.contract["arena_bytes"]
    if given is None:
        given = json.loads(read_bounded(what.file("compile.json"), MIB))["arena_bytes"]
    return int(given)


def compile_runner(compiler: Tool, cpu: str, folder: Path) -> Path:
    """Compiles the runner from the runtime's C; returns its path in `folder`."""
    runner = folder / "runner"
    sources = [RUNTIME / "port/native/runner.c", *sorted((RUNTIME / "app").glob("*.c"))]
    command: list[str | Path] = [compiler.path, *CPU_FLAGS[cpu], *FLAGS, "-I", RUNTIME / "include"]
    command += [*sources, "-ldl", "-o", runner]
    run(command, timeout_s=COMPILE_TIMEOUT_S, what=f"{compiler.name}, compiling the native twin")
    return runner


def _compiler(what: Boot) -> Tool:
    wanted = what.lock.get("compiler")
    return locked(str(wanted["name"]), str(wanted["version"])) if wanted else installed("gcc")
