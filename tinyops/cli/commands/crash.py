"""`tinyops crash`: a device's last fault as places in source, from the released ELF."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.errors import ToolError, UsageError

if TYPE_CHECKING:
    from tinyops.firmware.crash import CrashRecord
    from tinyops.firmware.symbols import Program


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="PORT|RECORD.json", help="a device's serial port, or a record as --json prints"
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--elf",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="firmware.elf, and again model.elf; refused when the device ran another",
    )
    chosen.add_argument(
        "--release", type=Path, metavar="DIR", help="look for the ELF files in this folder instead of the repository's"
    )
    parser.add_argument("--clear", action="store_true", help="make the device forget the fault after it was read")
    add_repository(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    if importlib.util.find_spec("elftools") is None:
        raise ToolError("not installed: pyelftools", hint="pip install 'tinyops[build]'")
    from tinyops.firmware.crash import choose_programs, explain
    from tinyops.report.crash import crash_json, crash_lines

    record = _read(arguments)
    if record is None:
        output.result({"record": None}, f"{arguments.source}: keeps no fault.")
        return 0
    programs = choose_programs(record, _programs(arguments, record), named=bool(arguments.elf))
    found = explain(record, programs)
    output.result(crash_json(found), "\n".join(crash_lines(found)))
    return 0


def _programs(arguments: argparse.Namespace, record: CrashRecord) -> Iterator[Program]:
    from tinyops.firmware.symbols import Program
    from tinyops.reconcile.programs import programs_in, released_programs

    if arguments.elf:
        return (Program(path) for path in arguments.elf)
    if arguments.release is not None:
        return programs_in(arguments.release)
    return released_programs(repository_root(arguments), record)


def _read(arguments: argparse.Namespace) -> CrashRecord | None:
    """A file, or what the board at a port keeps; None when it keeps no fault."""
    from tinyops.firmware.crash import read_record, record_of

    path = Path(arguments.source)
    if path.suffix == ".json" or path.is_file():
        if arguments.clear:
            raise UsageError("--clear is for a board, not for a record", hint="leave it away")
        return read_record(path)
    from tinyops.cli.models import boards_here
    from tinyops.device.identify.match import settle_s
    from tinyops.device.identify.usb import connected
    from tinyops.link.smp import BoardManager

    device = next((device for device in connected() if arguments.source in device.ports), None)
    with BoardManager.open(arguments.source, settle_s=settle_s(device, boards_here())) as board:
        crash = board.crash()
        if crash is None:
            return None
        info = board.info()
        if arguments.clear:
            board.clear_crash()
    return record_of(arguments.source, asdict(crash), board=info.board, fleet=info.fleet)
