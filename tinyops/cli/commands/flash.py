"""`tinyops flash`: firmware onto a board over its cable, the board's own way, and a question whether it runs."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.output import Output
from tinyops.errors import UsageError

if TYPE_CHECKING:
    from tinyops.boards.model import Board
    from tinyops.device.flashing.choose import Target
    from tinyops.device.flashing.session import Expected

COLLECTOR = "the collector"  # a file that `tinyops collect firmware` left beside its contract


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from tinyops.cli.arguments import add_repository

    add_repository(parser)
    parser.add_argument("board", metavar="BOARD|PORT", help="a board of the catalogue, or where one is connected")
    parser.add_argument("--fleet", metavar="FLEET", help="whose firmware (default: the only fleet with this board)")
    parser.add_argument("--part", default="", metavar="NAME", help="of a chain, where this board may be several parts")
    parser.add_argument("--file", type=Path, metavar="FILE", help="this file instead of the last release's")
    parser.add_argument("--serial", metavar="NUMBER", help="the board's serial number on USB, when there are several")
    parser.add_argument("--port", metavar="PORT", help="the serial line through which a named board is flashed")
    parser.add_argument("--board", dest="at_port", metavar="BOARD", help="which board hangs at the named port")
    parser.add_argument("--drive", type=Path, metavar="DIR", help="where the board's drive is mounted")
    parser.add_argument(
        "--verify-port", metavar="PORT", help="the serial line on which it is asked afterwards (default: its own)"
    )
    parser.add_argument("--sys", type=Path, default=Path("/sys"), metavar="DIR", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.device.flashing import way_of
    from tinyops.device.flashing.choose import choose
    from tinyops.device.flashing.session import Surroundings, flash
    from tinyops.device.identify.collector import ask_collector
    from tinyops.device.identify.usb import connected

    if arguments.drive is not None and not arguments.drive.is_dir():
        raise UsageError(f"{arguments.drive}: no such folder")
    catalog = _catalog(arguments)
    usb = () if arguments.drive is not None else connected(arguments.sys)
    if arguments.drive is not None and arguments.board in catalog:
        target = _on_drive(catalog[arguments.board])
    else:
        target = choose(
            arguments.board,
            usb,
            catalog,
            serial=arguments.serial,
            port=arguments.port,
            board=arguments.at_port,
        )
    tool, way = way_of(target.board)
    file, expected, source = _file(arguments, target.board)
    output.note(f"{target.board.name}: {source} by {tool.kind}")
    if way.forgets:
        output.note("this way erases all flash: settings and models are gone afterwards, enrol the board again")
    last: list[str] = []

    def say(text: str) -> None:
        if last[-1:] != [text]:
            last[:] = [text]
            output.note(f"  {text}")

    around = Surroundings(devices=lambda: connected(arguments.sys), drive=arguments.drive)
    if source.startswith(COLLECTOR):
        around = replace(around, ask=ask_collector)
    done = flash(target, file, expected, around, say, verify_port=arguments.verify_port)
    value = {
        "board": done.board,
        "file": str(done.file),
        "way": done.way,
        "port": done.port,
        "verified": done.verified,
        "note": done.note,
    }
    output.result(value, f"{done.board}: flashed by {done.way}; {done.note}")
    return 0


def _catalog(arguments: argparse.Namespace) -> dict[str, Board]:
    from tinyops.cli.models import boards_here
    from tinyops.reconcile.world import load_world_catalog

    if arguments.repository is not None:
        return dict(load_world_catalog(arguments.repository.resolve()))
    return dict(boards_here())


def _on_drive(board: Board) -> Target:
    """A board of which nothing but its drive is to be looked at."""
    from tinyops.device.flashing.choose import Target

    return Target(board, mode="bootloader")


def _file(arguments: argparse.Namespace, board: Board) -> tuple[Path, Expected, str]:
    from tinyops.device.flashing.session import Expected
    from tinyops.files import digest_json
    from tinyops.firmware.contract import read_contract_file

    if arguments.file is not None:
        if not arguments.file.is_file():
            raise UsageError(f"{arguments.file}: no such file")
        contract = arguments.file.parent / "collector.json"
        if contract.is_file():
            digest = digest_json(read_contract_file(contract)).removeprefix("sha256:")
            return arguments.file, Expected(contract=bytes.fromhex(digest)), f"{COLLECTOR} {arguments.file}"
        return arguments.file, Expected(), f"{arguments.file}, as it is,"
    from tinyops.cli.arguments import repository_root
    from tinyops.reconcile.flashable import flashable

    found = flashable(repository_root(arguments), board, arguments.fleet, arguments.part)
    what = "firmware and model" if found.model is not None else "firmware"
    expected = Expected(found.firmware, found.contract, found.model, found.bodies)
    return found.path, expected, f"{what} of fleet {found.fleet} in {found.tag}"
