"""`tinyops boards`: every board that a fleet here may name, or one in full."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from textwrap import fill

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    parser.add_argument("name", nargs="?", metavar="BOARD", help="one board in full")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.boards.loader import catalog_folder, load_catalog
    from tinyops.documents import closest
    from tinyops.report import boards as report

    catalog = load_catalog(_own_boards(arguments))
    shipped = {path.stem for path in catalog_folder().glob("*.yaml")}
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if arguments.name is not None:
        board = catalog.get(arguments.name)
        if board is None:
            raise UsageError(f"board {arguments.name!r} is not in the catalogue", hint=closest(arguments.name, catalog))
        own = board.name not in shipped
        output.result(report.board_json(board, own=own), report.full_text(board, own=own, width=min(width or 100, 100)))
        return 0
    rows = [report.row(board, own=name not in shipped) for name, board in catalog.items()]
    value = {"boards": [report.board_json(board, own=name not in shipped) for name, board in catalog.items()]}
    output.result(value, _table(rows, width, output))
    return 0


def _table(rows: list[tuple[str, ...]], width: int | None, output: Output) -> str:
    """As many columns as the terminal has room for; every one in a pipe."""
    from tinyops.report import boards as report

    count = report.columns_that_fit(rows, width)
    lines = [output.table(report.HEADERS[:count], [cells[:count] for cells in rows]), "", report.LEGEND]
    if any(cells[0].endswith(report.OWN_MARK) for cells in rows):
        lines.append(f"{report.OWN_MARK} of this repository, in specs/boards/.")
    if count < len(report.HEADERS):
        hidden = ", ".join(report.HEADERS[count:])
        lines.append(f"No room for: {hidden}. A wider terminal, a pipe or `tinyops boards BOARD` shows them.")
    never = [cells[0] for cells in rows if cells[-1] == "never"]
    lines.append(f"Never run on silicon: {len(never)} of {len(rows)} boards.")
    return "\n".join([lines[0], *(fill(line, width or 120) if line else "" for line in lines[1:])])


def _own_boards(arguments: argparse.Namespace) -> Path | None:
    """The folder of the repository's own boards; None outside a repository, or when it has none."""
    try:
        folder = repository_root(arguments) / "specs" / "boards"
    except UsageError:
        if arguments.repository is not None:
            raise
        return None
    return folder if folder.is_dir() else None
