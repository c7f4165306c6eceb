"""A board's own firmware, built with the platform of its maker: its artefacts, measured against the board's file."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyops.errors import ToolError
from tinyops.firmware import makers
from tinyops.firmware.elf import ElfSizes, check_fit, flash_image, measure_foreign
from tinyops.firmware.forms.form import Request
from tinyops.process import failure

SUFFIXES = (".bin", ".hex", ".uf2")


@dataclass(frozen=True)
class MakerTarget:
    """The environment in the project, and the versions of the packages that the lock pins for it."""

    env: str
    pins: Mapping[str, str]


def build(project: Path, request: Request, target: MakerTarget, out: Path) -> ElfSizes:
    """Builds with exactly the locked packages and writes the artefacts to `out`.

    Raises ToolError naming a package that is missing, an artefact that was not made or what the build ended with;
    DoesNotFit where the firmware is too large.
    """
    at_hand = makers.probe(project, [target.env])[target.env]
    at_hand.check(request.board, target.pins)
    elf = project / ".pio" / "build" / target.env / "firmware.elf"
    for suffix in (".elf", *SUFFIXES):
        elf.with_suffix(suffix).unlink(missing_ok=True)  # an earlier one would stand for what is not made now
    done = makers.build(project, target.env, at_hand)
    sizes = _measure(elf, request) if elf.is_file() else None
    if done.returncode != 0:
        raise failure(done, f"{request.board}: PlatformIO with {at_hand.needs[0].spec}")
    _take(elf, request, out)
    assert sizes is not None  # _take has seen the ELF
    return sizes


def _measure(elf: Path, request: Request) -> ElfSizes:
    """Also of a build that failed: PlatformIO itself only counts what its own board file knows of."""
    layout, memory = request.layout, request.memory
    sizes = measure_foreign(elf, memory, layout.firmware[0])
    check_fit(request.board, sizes, layout.firmware[0], memory.ram, layout.stack_bytes)
    if sizes.static_ram < layout.arena_bytes:
        raise ToolError(
            f"{request.board}: its firmware keeps {sizes.static_ram:,} bytes in RAM at {memory.ram.origin:#x}, and the "
            f"arena alone takes {layout.arena_bytes:,}",
            hint="mend memory.ram in the board's file: the platform's linker script puts data elsewhere",
        )
    return sizes


def _take(elf: Path, request: Request, out: Path) -> None:
    tool = request.spec.flash_tool
    taken = f".{tool.file}" if tool is not None else ".bin"
    wanted = {".elf", taken} - {".hex"}  # that is written from the flat file when a board is flashed
    for suffix in (".elf", *SUFFIXES):
        made = elf.with_suffix(suffix)
        if made.is_file() and made.stat().st_size > 0:
            shutil.copyfile(made, out / made.name)
        elif suffix in wanted:
            raise _not_made(request, made)
    binary = out / "firmware.bin"
    if not binary.exists():  # updates and cables take it, and some platforms make only what their own tool takes
        image = flash_image(elf, request.memory, request.layout.firmware[0])
        if not image:
            raise _not_made(request, elf.with_suffix(".bin"))
        binary.write_bytes(image)


def _not_made(request: Request, path: Path) -> ToolError:
    return ToolError(f"{request.board}: PlatformIO ended well but made no {path.name} in {path.parent.name}")
