"""Many devices at once: a CSV that says what hangs where and what each is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyops.device.provision.devices_file import LINE_MAX, check_id, split
from tinyops.errors import Problem, SpecError
from tinyops.files import MIB, read_bounded

ROWS_MAX = 1000
COLUMNS = ("port", "serial", "id", "labels", "replace", "part", "chain")


@dataclass(frozen=True)
class Row:
    """One device to enrol: by port or serial number; `id` may be left to the silicon."""

    line: int
    port: str = ""
    serial: str = ""
    id: str = ""
    labels: str = ""
    replace: str = ""
    part: str = ""
    chain: str = ""


def read_bulk(path: Path) -> tuple[Row, ...]:
    """Raises SpecError with every problem at its line, before any device is touched."""
    try:
        text = read_bounded(path, MIB).decode()
    except UnicodeDecodeError:
        raise SpecError(f"{path}: is not UTF-8") from None
    numbered = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    if not numbered:
        raise SpecError(f"{path}: is empty", hint=f"its first line names columns of {','.join(COLUMNS)}")
    if long := [Problem(str(path), n, 1, "is too long a line") for n, line in numbered if len(line) > LINE_MAX]:
        raise SpecError(long)
    (at, header), rows = numbered[0], numbered[1:]
    columns = split(header)
    unknown = [column for column in columns if column not in COLUMNS]
    if unknown or not {"port", "serial"} & set(columns) or len(set(columns)) < len(columns):
        message = f"columns are some of {', '.join(COLUMNS)}, each once, with port or serial: {header[:100]!r}"
        raise SpecError([Problem(str(path), at, 1, message)])
    if len(rows) > ROWS_MAX:
        raise SpecError([Problem(str(path), rows[ROWS_MAX][0], 1, f"more than {ROWS_MAX} devices")])
    found = [_row(number, line, columns) for number, line in rows]
    problems = [Problem(str(path), n, 1, one) for (n, _), one in zip(rows, found, strict=True) if isinstance(one, str)]
    good = [one for one in found if isinstance(one, Row)]
    if problems := problems + _twice(good, path):
        raise SpecError(problems)
    return tuple(good)


def _row(number: int, line: str, columns: Sequence[str]) -> Row | str:
    fields = split(line)
    if len(fields) > len(columns):
        return f"{len(fields)} fields, the header has {len(columns)}"
    row = Row(number, **dict(zip(columns, fields, strict=False)))
    if not row.port and not row.serial:
        return "neither a port nor a serial number"
    for name in filter(None, (row.id, row.replace, row.chain)):
        try:
            check_id(name)
        except ValueError as error:
            return str(error)
    return row


def _twice(rows: Sequence[Row], path: Path) -> list[Problem]:
    seen: set[tuple[str, str]] = set()
    found = []
    for row in rows:
        for column in ("port", "serial", "id", "replace"):
            value = getattr(row, column)
            if value and (column, value) in seen:
                found.append(Problem(str(path), row.line, 1, f"{column} {value} stands twice"))
            seen.add((column, value))
    return found
