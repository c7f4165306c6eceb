"""The last part of a chain as a page: the application's page without sources, and the chain's C as a module in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tinyops.artifacts import Progress
from tinyops.errors import SpecError
from tinyops.files import JsonObject, write_atomic
from tinyops.firmware.building import check_sources
from tinyops.firmware.chained import FLAG, ChainPlace
from tinyops.firmware.forms.form import Request, Work
from tinyops.firmware.project import RUNTIME, headers, slotless_part, sources
from tinyops.firmware.templating import render
from tinyops.link.parts import PART_LAYOUTS, SET_BYTES, STATE_TEXT, PartState, PartType
from tinyops.link.protocol import Layout, Type
from tinyops.link.ways import BLE_NOTIFY, BLE_SERVICE, BLE_WRITE
from tinyops.process import run
from tinyops.toolchain import CPU_FLAGS, locked

MODULE = "part.wasm"  # in the page
C_FOLDER = "module/"  # of the rendered files: what the module is compiled from, no file of the page
# Of the application's page: what a part of a chain shares.
SHARED = (
    *("board.js", "client.js", "compiled.js", "counts.js", "entry.js", "envelope.js", "icon.svg", "model.js"),
    *("posting.js", "screen.js", "source.js", "storage.js", "style.css", "upkeep.js", "worker.js"),
)
SOURCES = "chain"  # below the page's sources: what only a part of a chain has
KINDS = ("uart", "ble", "tcp")
SOCKETS = " ws: wss:"  # of a bridge, whose address a person types
STACK_BYTES = 64 << 10
BUILD_LIMIT_S = 120
_MEMORY = "module/src/memory.c"
FLAGS = (
    *("-std=c99", "-Os", f"-D{FLAG}", "-ffreestanding", "-fvisibility=hidden", "-fno-common", "-ffunction-sections"),
    *("-fdata-sections", "-Wall", "-Wextra", "-Werror", "-I", "include", "-I", "freestanding"),
)
LINK = (
    *("--no-entry", "--stack-first", "-z", f"stack-size={STACK_BYTES}", "--gc-sections", "--strip-all"),
    *("--fatal-warnings", "--export=__global_base"),
)


def check_place(request: Request) -> ChainPlace:
    """Raises SpecError for a page that is not the last part, or whose link no page has."""
    place = request.chain
    assert place is not None
    if place.position != place.parts - 1:
        raise SpecError(f"{request.board}: a page is only the last part of a chain: it sends nothing")
    if place.upstream_kind not in KINDS or len(place.names) != place.parts:
        raise SpecError(f"{request.board}: a page has no link of kind {place.upstream_kind!r}")
    return place


def sockets(place: ChainPlace) -> str:
    """What the page's policy allows beside its own server."""
    return SOCKETS if place.upstream_kind == "tcp" else ""


def page_files(folder: Path, board: str, place: ChainPlace) -> dict[str, bytes]:
    """The page's scripts and styles by name, without what the form renders of any page."""
    files = {name: (folder / name).read_bytes() for name in SHARED}
    files |= {path.name: path.read_bytes() for path in (folder / SOURCES).iterdir() if path.is_file()}
    script = json.dumps({"board": board, **_facts(place)}, indent=2, sort_keys=True, ensure_ascii=True)
    return files | {"chain.js": render("browser/chain.js.j2", chain=script)}


def _facts(place: ChainPlace) -> JsonObject:
    """What the page knows of its chain, and of the frames between its parts."""
    state, unavailable = PART_LAYOUTS[PartType.STATE], PART_LAYOUTS[PartType.UNAVAILABLE]
    return {
        "place": {"position": place.position, "parts": place.parts, "after_ms": place.after_ms},
        "names": list(place.names),
        "link": {"kind": place.upstream_kind, "baud": place.upstream_baud},
        "ble": {"service": BLE_SERVICE, "write": BLE_WRITE, "notify": BLE_NOTIFY},
        "ready": int(PartState.READY),
        "texts": {str(int(code)): text for code, text in STATE_TEXT.items()},
        "types": {"result": int(Type.RESULT), "unavailable": int(PartType.UNAVAILABLE)},
        "state": {"bytes": state.size, "setBytes": SET_BYTES, "at": _places(state)},
        "unavailable": _places(unavailable),
    }


def _places(layout: Layout) -> dict[str, int]:
    """Where each field of a payload begins."""
    return {f.name: sum(before.size for before in layout.fields[:i]) for i, f in enumerate(layout.fields)}


def module_sources() -> dict[str, bytes]:
    """The C that the page's module is compiled from."""
    files = {
        **headers(),
        **slotless_part(),
        **sources("port/page", "src/page"),
        "include/tinyops/internal.h": (RUNTIME / "include/tinyops/internal.h").read_bytes(),
        "freestanding/string.h": (RUNTIME / "image/freestanding/string.h").read_bytes(),
        "src/memory.c": (RUNTIME / "image/memory.c").read_bytes(),
    }
    return {f"{C_FOLDER}{name}": data for name, data in files.items()}


def build_module(work: Work) -> bytes:
    """Compiles and links it. Raises ToolError."""
    check_sources(work.step)
    compiler, linker = (_tool(work, role) for role in ("compiler", "linker"))
    work.report(Progress(0, 1, f"building the part's module for {work.request.board}"))
    write_files(work.out, {name: data for name, data in work.files.items() if name.startswith(C_FOLDER)})
    folder, made = work.out / C_FOLDER, []
    for name in sorted(n.removeprefix(C_FOLDER) for n in work.files if n.startswith(C_FOLDER) and n.endswith(".c")):
        also = ["-fno-builtin"] if C_FOLDER + name == _MEMORY else []
        made.append(f"{name}.o")
        run(
            [compiler, *CPU_FLAGS[work.request.spec.cpu], *FLAGS, *also, "-c", name, "-o", made[-1]],
            cwd=folder,
            timeout_s=BUILD_LIMIT_S,
        )
    run([linker, *LINK, "-o", MODULE, *made], cwd=folder, timeout_s=BUILD_LIMIT_S)
    return (folder / MODULE).read_bytes()


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        write_atomic(folder / name, data)


def _tool(work: Work, role: str) -> Path:
    pinned = work.step.lock[role]
    return locked(str(pinned["name"]), str(pinned["version"])).path
