"""`tinyops inspect`: a .tflite as text, and its memory plan as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinyops.cli.models import COMPILING, add_board, add_model, boards_here, check_start, find_board
from tinyops.cli.output import Output

WITHOUT_BOARD = "linux"  # no limit on memory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_board(parser, required=False)
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the memory plan into this file")


def run(arguments: argparse.Namespace, output: Output) -> int:
    check_start(arguments.model, COMPILING)
    from tinyops.build.bench import compile_file
    from tinyops.compiler.step import describe
    from tinyops.errors import SpecError
    from tinyops.files import write_atomic
    from tinyops.graph import read_graph
    from tinyops.report.drawing import memory_svg
    from tinyops.report.inspection import OPERATOR_HEADERS, PASS_HEADERS, TENSOR_HEADERS, Inspection
    from tinyops.report.memory import memory_plan

    catalog = boards_here()
    board = find_board(arguments.board or WITHOUT_BOARD, catalog)
    graph = read_graph(arguments.model)
    try:
        compiled = compile_file(graph, board, arguments.prefer, catalog)
        found = Inspection(graph, memory_plan(describe(compiled), compiled.graph), "", compiled.applied)
    except SpecError as error:
        if arguments.svg is not None or arguments.board is not None:
            raise
        found = Inspection(graph, None, error.message)
    parts = [found.heading(), output.table(OPERATOR_HEADERS, found.operator_rows())]
    parts.append(output.table(TENSOR_HEADERS, found.tensor_rows()))
    parts += [output.table(PASS_HEADERS, found.pass_rows())] if found.passes else []
    parts.append(found.chart())
    if arguments.svg is not None and found.plan is not None:
        write_atomic(arguments.svg, memory_svg(found.plan, graph.name).encode())
        output.note(f"{arguments.svg}: written")
    output.result(found.to_json(), "\n\n".join(parts))
    return 0
