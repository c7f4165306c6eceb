"""The kinds of twins, a row each; a new kind is a file with a `boot`, a row, and a literal of boards/model.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tinyops.boards.model import BoardSpec
from tinyops.errors import SpecError
from tinyops.twin import browser, native, qemu, qemu_user, rp2040, simavr
from tinyops.twin.flashed import bootloader_of, firmware_of
from tinyops.twin.machine import Boot
from tinyops.twin.prove import Twin

BootFunction: TypeAlias = Callable[[Boot], AbstractContextManager[Twin]]


@dataclass(frozen=True)
class Kind:
    """How a kind boots, which of a board's files it runs beside the image in a slot, and why nothing is counted."""

    boot: BootFunction
    runs: tuple[str, ...]
    not_counted: str = "instructions: this machine does not let a program count them"


KINDS: Mapping[str, Kind] = {
    "browser": Kind(browser.boot, ("model.wasm", "page.zip"), browser.NOT_COUNTED),
    "native": Kind(native.boot, ("model.so",)),
    "qemu": Kind(qemu.boot, ("firmware.elf",)),
    "qemu-user": Kind(qemu_user.boot, ("model.so",)),
    "rp2040js": Kind(rp2040.boot, ("firmware.bin",)),
    "simavr": Kind(simavr.boot, ("firmware.elf",), "instructions: the twin counts core cycles"),
}


def kind_of(board: str, spec: BoardSpec) -> Kind:
    """The kind of a board's twin. Raises SpecError for a board that has none."""
    kind = KINDS.get(spec.twin.kind)
    if kind is None:
        raise SpecError(f"{board}: nothing on this machine emulates it", hint="choose a board whose twin is not none")
    return kind


def can_boot(board: BoardSpec, files: Mapping[str, Path]) -> bool:
    """Whether there is something here to boot: an emulator of the board and, where it runs the board's own firmware,
    that."""
    runs_own = board.layout is not None and board.twin.same_machine
    return board.twin.kind != "none" and ("firmware.elf" in files or not runs_own)


def files_run(board: str, spec: BoardSpec) -> tuple[str, ...]:
    """Names of the files that the board's twin runs."""
    names = kind_of(board, spec).runs if spec.twin.same_machine else ("twin.elf",)
    if spec.layout is not None and spec.layout.own_bootloader is not None:
        names = (bootloader_of(spec), *names, firmware_of(spec, 1))
    return (*names, "model.bin") if spec.model_form == "image" else names
