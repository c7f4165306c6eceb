"""The files that a virtual board boots, made from a .tflite; no repository of specs is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tinyops.artifacts import Progress
from tinyops.boards.model import Board
from tinyops.build.bench import Report, build_files, compile_file
from tinyops.graph import read_graph


def build_board(
    model: Path, board: Board, catalog: Mapping[str, Board], folder: Path, *, prefer: str, report: Report
) -> dict[str, Path]:
    """The board's files by name, as `open_twin` wants them. Raises SpecError, DoesNotFit and ToolError."""
    graph = read_graph(model)
    report(Progress(0, 2, f"compiling {graph.name} for {board.name}"))
    compiled = compile_file(graph, board, prefer, catalog)
    return build_files(compiled, board, catalog, folder, report)[0]
