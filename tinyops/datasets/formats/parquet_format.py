"""Format `parquet`: a table, a frame a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinyops.datasets.formats.columns import chosen_columns
from tinyops.datasets.recording import STRICT, Labelled, Leniency, as_values
from tinyops.errors import SpecError, ToolError
from tinyops.files import MIB
from tinyops.specs.model import Signal

TABLE_LIMIT_BYTES = 1024 * MIB
VALUE_BYTES = 8
COLUMNS_LIMIT = 10_000


def read_parquet(data: bytes, signal: Signal, where: str, leniency: Leniency = STRICT) -> Iterator[Labelled]:
    """The columns that are called like the channels; missing values are refused."""
    if signal.size is not None:
        raise SpecError(f"{where}: a table holds no images", hint="save them as png, or as npy")
    file = open_parquet(data, where)
    names = list(file.schema_arrow.names)
    order = chosen_columns(names, signal, where, leniency)
    columns = [numbers(file, names[at], where) for at in order]
    if not len(columns[0]):
        raise SpecError(f"{where}: holds no frames")
    if len({len(found) for found in columns}) != 1:
        raise SpecError(f"{where}: its columns differ in length: the file is damaged")
    yield Labelled("", np.stack(columns, axis=1), 1)


def open_parquet(data: bytes, where: str) -> Any:
    """A Parquet file, opened and bounded. Raises SpecError, and ToolError without pyarrow."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ToolError(f"{where}: Parquet needs pyarrow", hint="pip install 'tinyops[data]'") from None
    try:
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise SpecError(f"{where}: not a Parquet file: {str(error)[:200]}") from error
    rows, columns = file.metadata.num_rows, file.metadata.num_columns
    if columns > COLUMNS_LIMIT or rows * columns * VALUE_BYTES > TABLE_LIMIT_BYTES:
        raise SpecError(f"{where}: {rows:,} rows of {columns:,} columns are more than {TABLE_LIMIT_BYTES:,} bytes")
    return file


def column(file: Any, name: str, where: str) -> Any:
    """One column as a numpy array of whatever it holds. Raises SpecError."""
    import pyarrow

    try:
        return file.read(columns=[name], use_threads=False).column(name).to_numpy()
    except (pyarrow.ArrowException, OSError, ValueError, KeyError) as error:
        raise SpecError(f"{where}: column {name}: {str(error)[:200]}") from error


def numbers(file: Any, name: str, where: str) -> Any:
    """One column as float64. Its type is looked at first: a list of a few bytes may unpack to gigabytes."""
    from pyarrow import types

    kind = file.schema_arrow.field(name).type
    if not (types.is_integer(kind) or types.is_floating(kind)):
        raise SpecError(f"{where}: column {name} holds {str(kind)[:40]}, not numbers")
    found = column(file, name, where)
    if found.dtype.kind not in "iuf":
        raise SpecError(f"{where}: column {name} holds {str(found.dtype)[:40]}, not numbers")
    return as_values(found)
