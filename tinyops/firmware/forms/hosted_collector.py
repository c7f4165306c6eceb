"""A collector as a program of an operating system, for boards that have one."""

from __future__ import annotations

from tinyops.artifacts import Progress
from tinyops.files import JsonObject, pretty_json, write_atomic
from tinyops.firmware import collector
from tinyops.firmware.building import check_sources
from tinyops.firmware.forms.form import Request, Work
from tinyops.firmware.project import RUNTIME, sources
from tinyops.firmware.templating import render
from tinyops.process import run
from tinyops.toolchain import CPU_FLAGS, locked

PROGRAM = "collector"
# One file that any machine of this kind runs: nothing of it is the builder's.
FLAGS = ("-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-static", "-Wl,--build-id=none")
BUILD_LIMIT_S = 120
_REPLAY = ("replay.c", "replay.h")  # of port/sim


def render_program(request: Request) -> dict[str, bytes]:
    """Its sources, and a Makefile for whoever builds it elsewhere."""
    facts = request.fitting_contract()
    values = collector.signal_values(request, facts)
    files = {
        "Makefile": render("Makefile.j2", **values, flags=" ".join(FLAGS)),
        **collector.signal_header(request, facts),
        **collector.parts(),
        **sources("port/hosted", "src/hosted"),
        **{f"src/sim/{name}": (RUNTIME / "port/sim" / name).read_bytes() for name in _REPLAY},
    }
    return dict(sorted(files.items()))


def build_program(work: Work) -> JsonObject:
    """Compiles it for the board's core. Raises ToolError."""
    check_sources(work.step)
    pinned = work.step.lock["compiler"]
    compiler = locked(str(pinned["name"]), str(pinned["version"]))
    work.report(Progress(0, 1, f"building the collector for {work.request.board}"))
    project = work.out / "project"
    for name, data in work.files.items():
        write_atomic(project / name, data)
    compiled = sorted(name for name in work.files if name.endswith(".c"))
    flags = [*CPU_FLAGS[work.request.spec.cpu], *FLAGS, "-O2", "-I", "include", "-I", "src/sim"]
    made = (work.out / PROGRAM).resolve()
    run([compiler.path, *flags, *compiled, "-o", made], cwd=project, timeout_s=BUILD_LIMIT_S)
    facts: JsonObject = {
        "image": True,
        "port": work.request.spec.port,
        "contract": work.request.contract_digest,
        "program_bytes": made.stat().st_size,
    }
    (work.out / "firmware.json").write_bytes(pretty_json(facts))
    return facts
