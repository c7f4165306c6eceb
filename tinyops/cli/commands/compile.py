"""`tinyops compile`: a .tflite as a C library of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinyops.cli.models import COMPILING, add_core, add_model, add_stream_rows, boards_here, check_start, find_board
from tinyops.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_core(parser)
    add_stream_rows(parser)
    parser.add_argument(
        "--prefix",
        default="",
        metavar="NAME",
        help="name the library so, and begin its symbols with it: several can be linked into one program",
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="DIR", help="where to write it (default: a folder named after the model)"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    check_start(arguments.model, COMPILING)
    from tinyops.build.bench import compile_file, compile_for
    from tinyops.compiler.library import library_files, library_name, write_library
    from tinyops.compiler.step import facts
    from tinyops.graph import read_graph

    graph, stream_rows = read_graph(arguments.model), arguments.stream_rows
    if arguments.cpu:
        compiled = compile_for(graph, arguments.cpu, arguments.prefer, stream_rows=stream_rows)
    else:
        catalog = boards_here()
        board = find_board(arguments.board, catalog)
        compiled = compile_file(graph, board, arguments.prefer, catalog, stream_rows=stream_rows)
    name = arguments.prefix or library_name(compiled.graph.name)
    folder: Path = arguments.out or Path(name)
    files = library_files(compiled, arguments.prefix)
    changed = write_library(files, folder)
    lines = [
        f"{folder}: {len(files)} files, {len(changed) or 'none'} changed",
        f"arena {compiled.arena.bytes:,} bytes, weights {compiled.weights_bytes:,} bytes, {compiled.macs:,} MACs, "
        f"{len(compiled.graph.operators)} operators, for {compiled.options.board} ({compiled.options.cpu})",
        *(f"{one.name}: {one}" for one in compiled.applied if str(one)),
        f"Next: include {name}.h, or try it: cmake -S {folder} -B build && cmake --build build && build/run",
    ]
    passes = {one.name: str(one) for one in compiled.applied}
    value = {**facts(compiled), "passes": passes, "folder": str(folder), "files": sorted(files), "changed": changed}
    output.result(
        {**value, "header": f"include/{name}.h", "board": arguments.board, "cpu": compiled.options.cpu},
        "\n".join(lines),
    )
    return 0
