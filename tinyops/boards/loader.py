"""The board catalogue: the boards that tinyops ships, and those a user adds in specs/boards/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tinyops.boards.extending import merge_bases
from tinyops.boards.model import Board
from tinyops.documents import ParseCache, YamlDocument, read, validate
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
    read_in = _read_all(extra, parsed)
    boards: dict[str, Board] = {}
    problems = list(read_in.problems)
    for name, document in read_in.documents.items():
        merged = merge_bases(document, read_in.documents, read_in.broken)
        board = validate(merged, Board) if isinstance(merged, YamlDocument) else merged
        if isinstance(board, list):
            problems += board
        else:
            boards[name] = board
    if problems:
        raise SpecError(problems)
    if parsed is not None:
        parsed.save()
    return MappingProxyType(dict(sorted(boards.items())))


@dataclass
class _ReadIn:
    """The documents by the names of their boards; the names of files that hold something unreadable."""

    documents: dict[str, YamlDocument] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def add(self, document: YamlDocument, path: Path) -> None:
        metadata = document.value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if not isinstance(name, str):
            found = validate(document, Board)
            self.problems += found if isinstance(found, list) else []
            self.broken.add(path.stem)
        elif name != path.stem:
            message = f"the file of board {name} is named {path.name}"
            self.problems.append(document.problem(("metadata", "name"), message, f"name the file {name}.yaml"))
            self.broken.add(name)
        elif name in self.documents:
            hint = f"give it another name; to change some facts of {name}, let it say extends: {name}"
            self.problems.append(document.problem(("metadata", "name"), f"board {name!r} exists already", hint))
        else:
            self.documents[name] = document


def _read_all(extra: Path | None, cache: ParseCache | None) -> _ReadIn:
    found = _ReadIn()
    for path in _board_files(extra):
        try:
            documents = read(path, cache)
        except SpecError as error:
            found.problems += error.problems
            found.broken.add(path.stem)
            continue
        for document in documents:
            found.add(document, path)
    return found


def _board_files(extra: Path | None) -> list[Path]:
    files = sorted(catalog_folder().glob("*.yaml"))
    if extra is not None:
        files += sorted(path for path in extra.glob("*.yaml") if path.is_file())
    if len(files) > BOARDS_LIMIT:
        raise SpecError(f"{extra}: more than {BOARDS_LIMIT} board files")
    return files
