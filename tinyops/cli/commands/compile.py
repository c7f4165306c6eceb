"""`tinyops compile`: a .tflite as a C library of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinyops.cli.models import COMPILING, add_board, add_model, add_stream_rows, boards_here, check_start, find_board
from tinyops.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_board(parser, required=True)
    add_stream_rows(parser)
    parser.add_argument(
        "-o", "--out", type=Path, metavar="DIR", help="where to write it (default: a folder named after the model)"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    check_start(arguments.model, COMPILING)
    from tinyops.build.bench import compile_file
    from tinyops.compiler.library import library_files, library_name, write_library
    from tinyops.compiler.step import facts
    from tinyops.graph import read_graph

    catalog = boards_here()
    board = find_board(arguments.board, catalog)
    graph = read_graph(arguments.model)
    compiled = compile_file(graph, board, arguments.prefer, catalog, stream_rows=arguments.stream_rows)
    name = library_name(compiled.graph.name)
    folder: Path = arguments.out or Path(name)
    files = library_files(compiled)
    changed = write_library(files, folder)
    lines = [
        f"{folder}: {len(files)} files, {len(changed) or 'none'} changed",
        f"arena {compiled.arena.bytes:,} bytes, weights {compiled.weights_bytes:,} bytes, {compiled.macs:,} MACs, "
        f"{len(compiled.graph.operators)} operators, for {board.name} ({board.spec.cpu})",
        f"Next: include {name}.h, or try it: cmake -S {folder} -B build && cmake --build build && build/run",
    ]
    value = {**facts(compiled), "folder": str(folder), "files": sorted(files), "changed": changed}
    output.result({**value, "header": f"include/{name}.h", "board": board.name}, "\n".join(lines))
    return 0
