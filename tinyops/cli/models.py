"""What the commands on a single .tflite share: no repository of specs is needed, one that is there lends its boards."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.compiler.options import CPUS, PREFER
from tinyops.errors import ToolError, UsageError

if TYPE_CHECKING:
    from tinyops.boards.model import Board

COMPILING = {"numpy": "numpy", "ai_edge_litert": "ai-edge-litert"}  # module: package
BOARD_HELP = "a board of the catalogue"
MEASURING = {**COMPILING, "tflite_micro": "tflite-micro", "elftools": "pyelftools"}


def check_start(model: Path, packages: Mapping[str, str]) -> None:
    """Before a command is half done: raises UsageError when there is no such model, ToolError naming the
    packages that are not installed.
    """
    if not model.is_file():
        raise UsageError(f"{model}: no such file", hint="name a full-integer .tflite")
    missing = [package for module, package in packages.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ToolError(f"not installed: {', '.join(missing)}", hint="pip install 'tinyops[build]'")


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL.tflite", help="a full-integer int8 model")


def add_board(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--board", required=required, metavar="BOARD", help=BOARD_HELP)
    add_prefer(parser)


def add_core(parser: argparse.ArgumentParser) -> None:
    """A board, or a core without one."""
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--board", metavar="BOARD", help=BOARD_HELP)
    chosen.add_argument("--cpu", choices=CPUS, help="a core, without a board whose memory would be the limit")
    add_prefer(parser)


def add_prefer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prefer", choices=PREFER, default="balanced", help="what to spend the board on (default balanced)"
    )


def repository_here() -> Path:
    """The repository of specs that this folder is in; this folder, if it is in none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "specs").is_dir()), here)


def add_stream_rows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stream-rows",
        action="store_true",
        help="the input comes row by row, as from a camera, and is never in memory as a whole",
    )


def boards_here() -> Mapping[str, Board]:
    """The shipped catalogue and the boards of the repository that this folder is in, if it is in one."""
    from tinyops.boards.loader import load_catalog

    extra = repository_here() / "specs" / "boards"
    return load_catalog(extra if extra.is_dir() else None)


def find_board(name: str, catalog: Mapping[str, Board], chains: Sequence[str] = ()) -> Board:
    """Raises UsageError naming the boards that there are, and the fleets with a chain that may be named in place."""
    try:
        return catalog[name]
    except KeyError:
        hint = f"boards: {', '.join(catalog)}" + (f"; fleets with a chain: {', '.join(chains)}" if chains else "")
        raise UsageError(f"board {name!r} is not in the catalogue", hint=hint) from None
