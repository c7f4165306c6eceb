"""Text for people on a terminal, JSON on request. No colour in pipes (rich sees to that)."""

from __future__ import annotations

import io
import os
import sys
import textwrap
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

from tinyops.errors import ExitCode, SpecError, TinyopsError
from tinyops.files import JsonObject, canonical_json, pretty_json, printable

if TYPE_CHECKING:
    from rich.console import Console

TABLE_COLUMNS, FOLDED_COLUMNS_MIN, FOLDED_LINES_MAX = 100, 24, 4
DEFECT_HINT = "please report it with the lines above; what was released before is as it was"


class Output:
    """Results go to standard output, everything else to standard error."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal without → is no reason to fail

    @property
    def console(self) -> Console:
        """Standard error as a rich console, for progress."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=True)

    def result(self, value: JsonObject | Callable[[], JsonObject], text: str) -> None:
        """The command's result: as JSON or as text. A function is called for JSON only."""
        if self.json:
            _print(pretty_json(value() if callable(value) else value).decode())
        elif text:
            _print(text + "\n")

    def item(self, value: Callable[[], JsonObject], text: str) -> None:
        """One of several results, as it comes: a JSON object in a line of its own, or text."""
        _print(canonical_json(value()).decode() + "\n" if self.json else text + "\n")

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]], *, folded: int | None = None) -> str:
        """Rows under headers as aligned text; columns of figures to the right.

        The column `folded` goes on in the next line, and at last is cut, where the table would be too wide.
        """
        if folded is not None:
            rows = _fold(headers, rows, folded)
        texts = [[printable(cell) for cell in row] for row in (headers, *rows)]
        widths = [max(len(row[i]) for row in texts) for i in range(len(headers))]
        right = [all(_is_figure(row[i]) for row in texts[1:]) for i in range(len(headers))]
        lines = [
            "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()
            for row in texts
        ]
        return "\n".join([lines[0], "  ".join("─" * w for w in widths).rstrip(), *lines[1:]])

    def note(self, text: str) -> None:
        """Something to know that is not the result."""
        if not self.json:
            log(text)

    def error(self, error: TinyopsError) -> None:
        """One error; with --json on standard output, so that a program finds it where it looks."""
        if self.json:
            _print(pretty_json({"error": _error_json(error)}).decode())
        else:
            log(f"error: {error}")

    def defect(self, error: Exception) -> None:
        """An error that nobody foresaw: says that tinyops is to blame, and shows where."""
        message = f"this is a defect of tinyops: {type(error).__name__}: {error}"
        if self.json:
            value = {"kind": "Defect", "message": message, "hint": DEFECT_HINT, "exit_code": int(ExitCode.UNFORESEEN)}
            _print(pretty_json({"error": value}).decode())
        log("".join(traceback.format_exception(error)).rstrip())
        log(f"error: {message}\n  {DEFECT_HINT}")


def printable_lines(text: str) -> str:
    """Text of others in several lines, each made `printable`."""
    return "\n".join(printable(line) for line in text.split("\n"))


def log(text: str) -> None:
    """A line on standard error, without what moves a cursor: names in it may be those of files and devices of others.

    That nobody reads it any more is no reason to end what is under way.
    """
    _write(sys.stderr, printable_lines(text.expandtabs()) + "\n")


def _print(text: str) -> None:
    """The result on standard output."""
    _write(sys.stdout, text)


def _write(stream: TextIO, text: str) -> None:
    """A reader such as `head` may have gone, which changes no exit status."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # for the flush when Python ends


def _fold(headers: Sequence[str], rows: Sequence[Sequence[str]], column: int) -> list[list[str]]:
    """The rows, each followed by as many as its long cell needs."""
    texts = [[printable(" ".join(cell.split())) for cell in row] for row in rows]
    others = [max(len(row[i]) for row in (headers, *texts)) for i in range(len(headers)) if i != column]
    width = max(TABLE_COLUMNS - sum(others) - 2 * len(others), FOLDED_COLUMNS_MIN)
    found = []
    for row in texts:
        pieces = textwrap.wrap(row[column], width, max_lines=FOLDED_LINES_MAX, placeholder=" …") or [""]
        found += [
            [piece if i == column else cell * (n == 0) for i, cell in enumerate(row)] for n, piece in enumerate(pieces)
        ]
    return found


def _is_figure(text: str) -> bool:
    return text.strip(" ") in ("", "-") or text.lstrip("+-~").replace(",", "").replace(".", "")[:1].isdigit()


def _error_json(error: TinyopsError) -> JsonObject:
    value: JsonObject = {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "exit_code": int(error.exit_code),
    }
    if isinstance(error, SpecError):
        value["problems"] = [
            {"file": p.file, "line": p.line, "column": p.column, "message": p.message, "hint": p.hint}
            for p in error.problems
        ]
    return value
