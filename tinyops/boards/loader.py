"""The board catalogue: the boards that tinyops ships, and those a user adds in specs/boards/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from tinyops.boards.model import Board
from tinyops.documents import ParseCache, read, shown_path, validate
from tinyops.errors import Problem, SpecError, ToolError

_PACKAGE = Path(__file__).resolve().parent.parent
BOARDS_LIMIT = 1000


def catalog_folder() -> Path:
    """The shipped catalogue: inside the package in a wheel, beside it in a source checkout."""
    for folder in (_PACKAGE / "board_catalog", _PACKAGE.parent / "board_catalog"):
        if folder.is_dir():
            return folder
    raise ToolError("the board catalogue is missing from this installation", hint="install tinyops again")


def load_catalog(extra: Path | None = None, *, cache: Path | None = None) -> Mapping[str, Board]:
    """Every board by name: the shipped ones and those below `extra`.

    `cache` is a folder for what parsing need not repeat. Raises SpecError with all problems of all files.
    """
    parsed = ParseCache(cache, "boards") if cache is not None else None
    problems: list[Problem] = []
    boards: dict[str, Board] = {}
    for path in _board_files(extra):
        for found in _load_file(path, parsed):
            if isinstance(found, Problem):
                problems.append(found)
            elif found.name in boards:
                hint = "give the board another name: fleets find boards by it"
                problems.append(Problem(shown_path(path), 1, 1, f"board {found.name!r} exists already", hint))
            else:
                boards[found.name] = found
    if problems:
        raise SpecError(problems)
    if parsed is not None:
        parsed.save()
    return MappingProxyType(dict(sorted(boards.items())))


def _board_files(extra: Path | None) -> list[Path]:
    files = sorted(catalog_folder().glob("*.yaml"))
    if extra is not None:
        files += sorted(path for path in extra.glob("*.yaml") if path.is_file())
    if len(files) > BOARDS_LIMIT:
        raise SpecError(f"{extra}: more than {BOARDS_LIMIT} board files")
    return files


def _load_file(path: Path, cache: ParseCache | None) -> Iterator[Board | Problem]:
    try:
        documents = read(path, cache)
    except SpecError as error:
        yield from error.problems
        return
    for document in documents:
        board = validate(document, Board)
        if isinstance(board, list):
            yield from board
        elif board.name != path.stem:
            hint = f"name the file {board.name}.yaml"
            yield document.problem(("metadata", "name"), f"the file of board {board.name} is named {path.name}", hint)
        else:
            yield board
