"""The lines of a source's index, as its dataset reads them. Without numpy: `plan` imports it."""

from __future__ import annotations

from dataclasses import replace

from tinyops.datasets.index import IndexRow, parse_rows
from tinyops.specs.dataset import RecordingsSource


def source_rows(source: RecordingsSource, data: bytes, file: str) -> tuple[IndexRow, ...]:
    """The rows of an index. A rate that reading changes to the signal's is nobody's concern. Raises SpecError."""
    rows = parse_rows(data, file)
    if "rate" not in source.adapt:
        return rows
    return tuple(replace(row, entry=replace(row.entry, rate_hz=None)) for row in rows)
