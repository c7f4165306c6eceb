"""`tinyops init`: a repository of specs that works at once."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.output import Output
from tinyops.errors import ToolError, UsageError
from tinyops.files import JsonObject

if TYPE_CHECKING:
    from tinyops.scaffold import Recording


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the new repository; nothing in it is overwritten")
    parser.add_argument("--from", dest="model", type=Path, metavar="MODEL", help="your finished, quantised .tflite")
    from tinyops.scaffold.examples import EXAMPLES

    about = "; ".join(f"{name}: {text}" for name, text in EXAMPLES.items())
    parser.add_argument("--example", metavar="NAME", help=f"begin with an example on real data: {about}")
    parser.add_argument("--record", metavar="CLASS,…", help="begin with a sensor: what you are going to record")
    parser.add_argument("--sensor", metavar="NAME", help="with --record: which of the board's (default: the first)")
    parser.add_argument("--board", default=None, help="the board to begin with (default nano33ble)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.boards.loader import load_catalog
    from tinyops.files import read_bounded
    from tinyops.scaffold import DEFAULT_BOARD, TFLITE_LIMIT_BYTES, FinishedModel, scaffold, write_scaffold

    finished = None
    if arguments.model is not None:
        if not arguments.model.is_file():
            raise UsageError(f"{arguments.model}: no such file", hint="--from takes a quantised .tflite")
        finished = FinishedModel(arguments.model.name, read_bounded(arguments.model, TFLITE_LIMIT_BYTES))
    recording = _recording(arguments)
    folder = arguments.folder.absolute()
    board = arguments.board or DEFAULT_BOARD
    files = scaffold(
        folder.name, load_catalog(), board=board, tflite=finished, example=arguments.example, recording=recording
    )
    write_scaffold(folder, files)
    locked = _lock(folder, output, needed=finished is not None)
    value: JsonObject = {"folder": str(folder), "files": sorted(files)}
    then = _next(files, board, recording) if locked else "tinyops lock"
    lines = [f"{arguments.folder}: {len(files)} files. Next: cd {arguments.folder} && git init && {then}"]
    if finished is not None:
        from tinyops.cli.first_result import compile_and_prove

        figures, text = compile_and_prove(folder, output)
        value["figures"] = figures
        lines += ["", *text]
    output.result(value, "\n".join(lines))
    return 0


def _next(files: Mapping[str, bytes], board: str, recording: Recording | None) -> str:
    if recording is None:
        return "tinyops plan"
    index = next(path for path in files if path.startswith("data/"))
    return f"tinyops collect firmware {Path(index).stem} {board} --build, or tinyops data add {Path(index).stem} FILES"


def _recording(arguments: argparse.Namespace) -> Recording | None:
    """Raises UsageError for two beginnings at once."""
    from tinyops.scaffold import Recording

    given = {"--from": arguments.model, "--example": arguments.example, "--record": arguments.record}
    beginnings = [option for option, value in given.items() if value is not None]
    if len(beginnings) > 1:
        raise UsageError(f"{' and '.join(beginnings)} are {len(beginnings)} beginnings", hint="give one of them")
    if arguments.record is None:
        if arguments.sensor is not None:
            raise UsageError(
                "--sensor does nothing without --record", hint="--record CLASS,CLASS says what it measures"
            )
        return None
    return Recording(tuple(arguments.record.split(",")), arguments.sensor)


def _lock(folder: Path, output: Output, *, needed: bool) -> bool:
    """Pins this machine's tools for the new repository; where some are missing, says so unless they are `needed`."""
    from tinyops.files import write_atomic
    from tinyops.reconcile.locking import lock_of
    from tinyops.specs.lock import LOCK_FILE, dump_lock

    try:
        write_atomic(folder / LOCK_FILE, dump_lock(lock_of(folder)))
    except ToolError as error:
        if needed:
            raise
        output.note(f"no lock yet, for this machine lacks tools that builds need:\n{error}")
        return False
    return True
