"""`tinyops collect firmware`: a program that sends what a board's sensor measures, for a board that has none yet."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.models import find_board
from tinyops.cli.output import Output
from tinyops.errors import UsageError

if TYPE_CHECKING:
    from tinyops.build.collector import Made
    from tinyops.firmware.forms.form import Request


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="whose signal it sends")
    parser.add_argument("board", metavar="BOARD", help="a board of the catalogue")
    add_repository(parser)
    parser.add_argument("--sensor", metavar="NAME", help="of the board's own (default: the first that fits the signal)")
    parser.add_argument(
        "--framework",
        choices=("bare-metal", "arduino", "library"),
        help="which of the board's firmwares (default: the one that reads the sensor)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to (default: collector-DATASET-BOARD)")
    parser.add_argument("--build", action="store_true", help="build it, and its twin's, with this machine's compilers")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.build.collector import flash_file, make_collector
    from tinyops.firmware.collector_request import collector_request, why_not
    from tinyops.reconcile.world import load_world_catalog
    from tinyops.specs.recorded import dataset_named

    root = repository_root(arguments)
    catalog = load_world_catalog(root)
    board = find_board(arguments.board, catalog)
    dataset = dataset_named(root, arguments.dataset).document
    if arguments.framework and arguments.framework not in board.spec.frameworks:
        has = ", ".join(board.spec.frameworks) or "none: it runs an operating system"
        raise UsageError(f"there is no {arguments.framework} firmware for {board.name}", hint=f"it has {has}")
    request = collector_request(
        arguments.dataset,
        dataset.spec.signal,
        board,
        sensor=arguments.sensor,
        framework=arguments.framework,
    )
    if _sensor(request) is None:
        for sentence in why_not(dataset.spec.signal, board):
            output.note(sentence)
    folder = arguments.out or Path(f"collector-{arguments.dataset}-{board.name}")
    made = make_collector(request, folder, build=arguments.build, report=lambda done: output.note(f"{done.message} …"))
    file = flash_file(request, made)
    value = {
        "board": board.name,
        "dataset": arguments.dataset,
        "sensor": _sensor(request),
        "contract": request.contract_digest,
        "baud": request.spec.collector_baud,
        "folder": str(folder),
        "files": [path.name for path in made.files],
        "flash": str(file) if file else None,
        "facts": made.facts,
    }
    output.result(value, "\n".join(_lines(request, made, file, build=arguments.build)))
    return 0


def _sensor(request: Request) -> str | None:
    """The board's own that it reads."""
    name = request.sensor.get("name") if isinstance(request.sensor, dict) else None
    return str(name) if name else None


def _lines(request: Request, made: Made, file: Path | None, *, build: bool) -> list[str]:
    sensor, names = _sensor(request), ", ".join(path.name for path in made.files)
    reads = f"reads {sensor}" if sensor else "has no driver for a sensor that fits: its port's own, a replay, or none"
    lines = [f"{made.folder}: a collector of {request.board} for {request.fleet}; it {reads}", f"  {names}"]
    if request.spec.layout is not None:
        lines.append(f"  its line: {request.spec.collector_baud:,} baud")
    return [*lines, f"  {_how_on(request, made, file, build=build)}"]


def _how_on(request: Request, made: Made, file: Path | None, *, build: bool) -> str:
    """The next thing to do."""
    if file is not None:
        return f"onto the board: tinyops flash {request.board} --file {file}"
    if request.spec.port == "browser":
        return "put the page on a web server with https, and open it on the phone"
    if request.spec.port == "library":
        return f"link {made.folder}/project with a program of the board's SDK; CMakeLists.txt says how"
    if request.spec.layout is None:
        return f"run {made.folder}/collector on it" if build else "build it with --build, or by its Makefile"
    if not build:
        return "build it with --build"
    upload = f"pio run -d {made.folder}/project --target upload"
    return f"its maker's tools build it and bring it onto the board, where there is a network: {upload}"
