"""Programs that twins are made of, compiled once for each version of their source, compiler and emulator."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tinyops.files import cache_folder, writing
from tinyops.process import run
from tinyops.toolchain import Tool, installed

COMPILE_TIMEOUT_S = 60


def build_once(
    name: str,
    identity: str,
    sources: Sequence[Path],
    arguments: Callable[[Path], Sequence[str | Path]],
    compiler: Tool | None = None,
) -> Path:
    """The program's path in the cache. `arguments` are the compiler's (gcc without one) for a path to write to;
    `identity` and the bytes of `sources`, headers among them, are what the program depends on.

    Raises ToolError naming what is missing.
    """
    compiler = compiler or installed("gcc")
    digest = hashlib.sha256(f"{compiler.path}|{compiler.version}|{identity}|".encode())
    for source in sources:
        digest.update(source.read_bytes())
    place = cache_folder() / "twins" / f"{name}-{digest.hexdigest()[:16]}"
    if place.is_file():
        return place
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            made = Path(scratch) / "made"
            run(
                [compiler.path, *arguments(made)],
                timeout_s=COMPILE_TIMEOUT_S,
                what=f"{compiler.name}, compiling {name}",
            )
            os.replace(made, place)
    return place
