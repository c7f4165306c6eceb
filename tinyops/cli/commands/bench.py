"""`tinyops bench`: what a .tflite costs on a board, and whether it computes what tflite-micro computes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.models import (
    MEASURING,
    add_board,
    add_model,
    add_stream_rows,
    boards_here,
    check_start,
    find_board,
    repository_here,
)
from tinyops.cli.output import Output
from tinyops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from tinyops.boards.model import Board


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_board(parser, required=True)
    add_stream_rows(parser)
    parser.add_argument(
        "--inputs",
        type=Path,
        metavar="X.npy",
        help="vectors to run, a row each, in the input's shape and type (default: extremes and noise)",
    )
    parser.add_argument("--port", metavar="PORT", help="measure the board at this serial line, too, into measurements/")
    parser.add_argument("--out", type=Path, metavar="DIR", help="with --port: a folder instead of measurements/")
    parser.add_argument(
        "--per-operator",
        action="store_true",
        help="count the instructions of each operator, too: builds and boots an image for each",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    check_start(arguments.model, MEASURING)
    from tinyops.build.bench import bench
    from tinyops.build.measurements import FOLDER, read_factor
    from tinyops.report.bench import bench_json, operator_table, summary

    catalog = boards_here()
    board = find_board(arguments.board, catalog)
    if arguments.port is not None:
        return _measure(arguments, output, board, catalog)
    result = bench(
        arguments.model,
        board,
        catalog,
        prefer=arguments.prefer,
        inputs=arguments.inputs,
        per_operator=arguments.per_operator,
        stream_rows=arguments.stream_rows,
        report=lambda progress: output.note(f"{progress.message} …"),
    )
    operators = output.table(*operator_table(result))
    factor = read_factor(repository_here() / FOLDER, board.name)
    output.result(bench_json(result, factor), "\n".join([*summary(result, factor), "", operators]))
    return int(ExitCode.OK if result.bit_exact else ExitCode.TOOL)


def _measure(arguments: argparse.Namespace, output: Output, board: Board, catalog: Mapping[str, Board]) -> int:
    from tinyops.build.hardware import Wanted, bench_on_port
    from tinyops.build.measurements import FOLDER, write_measurement
    from tinyops.report.bench import measured_lines

    if arguments.per_operator:
        raise UsageError("--per-operator counts instructions, which a board does not", hint="leave --port away")
    if arguments.stream_rows:
        raise UsageError(
            "--stream-rows cannot be timed with --port: a board counts cycles of one row", hint="leave one away"
        )
    here = repository_here()
    wanted = Wanted(
        model=arguments.model,
        board=board,
        catalog=catalog,
        prefer=arguments.prefer,
        inputs=arguments.inputs,
        port=arguments.port,
        flash_files=here / ".tinyops" / "flash" / board.name,
        allow_emulated=arguments.out is not None,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    measured, differences = bench_on_port(wanted, lambda progress: output.note(f"{progress.message} …"))
    path = write_measurement(measured, arguments.out or here / FOLDER) if measured.bit_exact else None
    value = {**measured.to_json(), "differences": list(differences), "file": str(path) if path else None}
    output.result(value, "\n".join(measured_lines(measured, differences, path)))
    return int(ExitCode.OK if measured.bit_exact else ExitCode.TOOL)
