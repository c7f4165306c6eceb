"""A part of a chain as a program of an operating system, for boards that have one."""

from __future__ import annotations

from tinyops.files import JsonObject
from tinyops.firmware.chained import FLAG
from tinyops.firmware.contract import read_contract
from tinyops.firmware.forms import program
from tinyops.firmware.forms.form import Request, Work
from tinyops.firmware.project import RUNTIME, digest_rows, headers, slotless_part, sources
from tinyops.firmware.templating import comment, render

PROGRAM = "part"
FLAGS = ("-std=c99", "-D_GNU_SOURCE", f"-D{FLAG}", "-Wall", "-Wextra", "-Werror", "-Wl,--build-id=none", "-Wl,-z,now")
_REPLAY = ("replay.c", "replay.h")  # of port/sim


def render_part(request: Request) -> dict[str, bytes]:
    """Its sources, and a Makefile for whoever builds it elsewhere. Its arena is as large as the model wants."""
    facts = read_contract({**request.contract, "arena_bytes": request.contract.get("arena_bytes") or 1})
    values = {
        "board": request.board,
        "fleet": request.fleet,
        "digest": request.contract_digest,
        "digest_rows": digest_rows(request.contract_digest),
        "summary": [comment(line) for line in facts.summary],
        "frame_values": facts.frame_values,
        "rate_millihz": facts.rate_millihz,
        "chain": request.chain,
    }
    files = {
        "Makefile": render("part.mk.j2", **values, flags=" ".join(FLAGS)),
        "include/part_settings.h": render("part_settings.h.j2", **values),
        **headers(),
        **slotless_part(),
        **sources("port/part", "src/part"),
        **sources("port/linux", "src/linux"),
        **{f"src/sim/{name}": (RUNTIME / "port/sim" / name).read_bytes() for name in _REPLAY},
    }
    return dict(sorted(files.items()))


def build_part(work: Work) -> JsonObject:
    """Compiles it for the board's core. Raises ToolError."""
    return program.build_program(work, PROGRAM, "the part's program", FLAGS, ("-ldl",))
