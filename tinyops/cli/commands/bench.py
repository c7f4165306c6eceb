"""`tinyops bench`: what a .tflite costs on a board, and whether it computes what tflite-micro computes."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinyops.cli.models import MEASURING, add_board, add_model, add_stream_rows, boards_here, check_start, find_board
from tinyops.cli.output import Output
from tinyops.errors import ExitCode


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
    parser.add_argument(
        "--per-operator",
        action="store_true",
        help="count the instructions of each operator, too: builds and boots an image for each",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    check_start(arguments.model, MEASURING)
    from tinyops.build.bench import bench
    from tinyops.report.bench import bench_json, operator_table, summary

    catalog = boards_here()
    board = find_board(arguments.board, catalog)
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
    output.result(bench_json(result), "\n".join([*summary(result), "", operators]))
    return int(ExitCode.OK if result.bit_exact else ExitCode.TOOL)
