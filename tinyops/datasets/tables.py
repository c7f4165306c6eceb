"""Columns of tables that hold no values of the signal: labels and subjects, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from tinyops.datasets.formats.csv_format import csv_rows, gunzip
from tinyops.datasets.formats.parquet_format import column, open_parquet
from tinyops.errors import SpecError

TABLES = ("csv", "csv.gz", "parquet")
SHOWN = 20


@dataclass(frozen=True)
class Run:
    """Rows one after the other, from `begin` up to `end`, with the same texts in the chosen columns."""

    begin: int
    end: int
    texts: tuple[str, ...]


def runs_of(data: bytes, kind: str, names: Sequence[str], where: str) -> list[Run]:
    """The rows of a table, cut where one of the named columns changes. Raises SpecError."""
    if kind not in TABLES:
        raise SpecError(f"{where}: has no columns to take a label from", hint=f"tables: {', '.join(TABLES)}")
    columns = _parquet(data, names, where) if kind == "parquet" else _csv(data, kind, names, where)
    runs, begin = [], 0
    for texts, rows in groupby(zip(*columns, strict=True)):
        end = begin + sum(1 for _ in rows)
        runs.append(Run(begin, end, texts))
        begin = end
    return runs


def _csv(data: bytes, kind: str, names: Sequence[str], where: str) -> list[list[str]]:
    (first, header), *rows = csv_rows(gunzip(data, where) if kind == "csv.gz" else data, where)
    places = [_place(header, name, f"{where}:{first}") for name in names]
    for number, cells in rows:
        if len(cells) != len(header):
            raise SpecError(f"{where}:{number}: has {len(cells)} columns, the first line {len(header)}")
    return [[cells[at] for _, cells in rows] for at in places]


def _parquet(data: bytes, names: Sequence[str], where: str) -> list[list[str]]:
    file = open_parquet(data, where)
    header = list(file.schema_arrow.names)
    return [[str(text) for text in column(file, header[_place(header, name, where)], where)] for name in names]


def _place(header: Sequence[str], name: str, where: str) -> int:
    if list(header).count(name) != 1:
        raise SpecError(f"{where}: has the columns {[h[:40] for h in header[:SHOWN]]}, none called {name!r}")
    return list(header).index(name)
