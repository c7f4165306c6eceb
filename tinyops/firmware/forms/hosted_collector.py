"""A collector as a program of an operating system, for boards that have one."""

from __future__ import annotations

from tinyops.files import JsonObject
from tinyops.firmware import collector
from tinyops.firmware.forms import program
from tinyops.firmware.forms.form import Request, Work
from tinyops.firmware.project import RUNTIME, sources
from tinyops.firmware.templating import render

PROGRAM = "collector"
# One file that any machine of this kind runs: nothing of it is the builder's.
FLAGS = ("-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-static", "-Wl,--build-id=none")
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
        **sources("port/linux", "src/linux"),
        **{f"src/sim/{name}": (RUNTIME / "port/sim" / name).read_bytes() for name in _REPLAY},
    }
    return dict(sorted(files.items()))


def build_program(work: Work) -> JsonObject:
    """Compiles it for the board's core. Raises ToolError."""
    return program.build_program(work, PROGRAM, "the collector", FLAGS)
