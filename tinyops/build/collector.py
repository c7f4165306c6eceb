"""A collector's project and its firmware on disk: no step of a release, for nobody releases it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.errors import UsageError
from tinyops.files import JsonObject, pretty_json, write_atomic
from tinyops.firmware.forms.form import Request, Work
from tinyops.firmware.forms.registry import form_of
from tinyops.specs.locking import own_pins, package_version
from tinyops.toolchain import installed

PROJECT = "project"  # below the folder that is written: the sources
CONTRACT = "collector.json"
# Files and folders that a build leaves beside it.
MADE = (
    *("collector", "firmware.bin", "firmware.elf", "firmware.hex", "firmware.json", "firmware.uf2", "page", "page.zip"),
    *("project.zip", "twin.elf"),
)
# What a cable brings onto a board, the first that there is.
FLASHABLE = {"hex": "firmware.hex", "bin": "firmware.bin", "uf2": "firmware.uf2"}


@dataclass(frozen=True)
class Made:
    """What was written; `facts` are those of a firmware step, None where nothing was built."""

    folder: Path
    files: tuple[Path, ...]
    facts: JsonObject | None


def make_collector(request: Request, folder: Path, *, build: bool, report: Callable[[Progress], None]) -> Made:
    """Writes the project below `folder`, and beside it what is built of it: the files that a firmware step makes, under
    the same names. Raises SpecError, DoesNotFit and ToolError."""
    form = form_of(request.spec)
    files = form.render(request)
    _clear(folder)
    for name, data in files.items():
        write_atomic(folder / PROJECT / name, data)
    write_atomic(folder / CONTRACT, pretty_json(request.contract))
    facts: JsonObject | None = None
    if build:
        step = Step("firmware", f"{request.fleet}/{request.board}", {}, _lock(request))
        facts = form.build(Work(step, request, files, {}, folder, report))
    found = tuple(path for path in sorted(folder.iterdir()) if path.is_file())
    return Made(folder, found, facts)


def _clear(folder: Path) -> None:
    """What was made there before, perhaps for another board; a folder that is no collector's is left alone. Raises
    UsageError for one that holds something else where the project goes."""
    if not (folder / CONTRACT).is_file():
        if (folder / PROJECT).exists():
            raise UsageError(f"{folder / PROJECT}: is there, and no collector is", hint="name another folder: --out")
        return
    for name in (PROJECT, *MADE):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _lock(request: Request) -> JsonObject:
    """The versions of this machine: a collector is built where it is flashed."""
    lock: JsonObject = {"firmware": own_pins().firmware, "sources": {}}
    if request.spec.layout is None and request.spec.port == "browser":
        return lock
    if request.spec.twin.kind != "none" or request.spec.layout is None:
        tool = installed(request.spec.compiler)
        lock["compiler"] = {"name": tool.name, "version": tool.version}
    if request.spec.layout is not None:
        lock |= {name: package_version(name) for name in ("platformio", "scons")}
    return lock


def flash_file(request: Request, made: Made) -> Path | None:
    """What the board's cable takes of it; None where it was not built here."""
    tool = request.spec.flash_tool
    name = FLASHABLE.get(tool.file) if tool is not None else None
    path = made.folder / name if name else None
    return path if path is not None and path in made.files else None
