"""Firmware of which tests change a file between rendering and building."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinyops.artifacts import Progress, Step
from tinyops.firmware.step import build, prepare

Files = Mapping[str, bytes]
Edit = Callable[[Files], Files]


def build_edited(step: Step, inputs: Mapping[str, Path], out: Path, edit: Edit) -> dict[str, Any]:
    """The firmware step's facts."""
    work = prepare(step, inputs, out, _ignore)
    return build(replace(work, files=edit(work.files)))


def as_rendered(files: Files) -> Files:
    return files


def replacing(changes: Mapping[str, tuple[str, str]]) -> Edit:
    """Puts another text in the place of one that must be there, by file."""

    def edit(files: Files) -> Files:
        found = dict(files)
        for name, (old, new) in changes.items():
            text = found[name].decode()
            assert old in text, name
            found[name] = text.replace(old, new).encode()
        return found

    return edit


def _ignore(_: Progress) -> None:
    pass
