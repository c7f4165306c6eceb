"""Building a program of an operating system, the same way whatever it does."""

from __future__ import annotations

from collections.abc import Sequence

from tinyops.artifacts import Progress
from tinyops.files import JsonObject, pretty_json, write_atomic
from tinyops.firmware.building import check_sources
from tinyops.firmware.forms.form import Work
from tinyops.process import run
from tinyops.toolchain import CPU_FLAGS, locked

BUILD_LIMIT_S = 120
INCLUDES = ("-I", "include", "-I", "src/sim", "-I", "src/linux")


def build_program(work: Work, name: str, what: str, flags: Sequence[str], libraries: Sequence[str] = ()) -> JsonObject:
    """Compiles the C files of a form for the board's core, into a file of that name; `what` is for people.

    Raises ToolError.
    """
    check_sources(work.step)
    pinned = work.step.lock["compiler"]
    compiler = locked(str(pinned["name"]), str(pinned["version"]))
    work.report(Progress(0, 1, f"building {what} for {work.request.board}"))
    project = work.out / "project"
    for file, data in work.files.items():
        write_atomic(project / file, data)
    compiled = sorted(file for file in work.files if file.endswith(".c"))
    options = [*CPU_FLAGS[work.request.spec.cpu], *flags, "-O2", *INCLUDES]
    made = (work.out / name).resolve()
    run([compiler.path, *options, *compiled, *libraries, "-o", made], cwd=project, timeout_s=BUILD_LIMIT_S)
    facts: JsonObject = {
        "image": True,
        "port": work.request.spec.port,
        "contract": work.request.contract_digest,
        "program_bytes": made.stat().st_size,
    }
    (work.out / "firmware.json").write_bytes(pretty_json(facts))
    return facts
