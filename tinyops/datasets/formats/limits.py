"""How much one file may hold: a value takes 8 bytes of memory once it is read, some of them several times over."""

from __future__ import annotations

from tinyops.errors import SpecError

VALUES_LIMIT = 2**27  # 2.3 hours of sound at 16 kHz
CELLS_LIMIT = 2**24  # of text, each an object until it is a number
# What `str.splitlines` ends a line at, as UTF-8.
_ENDS = (b"\n", b"\r", b"\x0b", b"\x0c", b"\x1c", b"\x1d", b"\x1e", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")


def refuse_many(values: int, where: str, limit: int = VALUES_LIMIT) -> None:
    """Raises SpecError for more values than are read at once."""
    if values > limit:
        raise SpecError(f"{where}: holds {values:,} values, more than {limit:,}", hint="split the file")


def refuse_many_cells(text: bytes, where: str) -> None:
    """The same for a table as text, before it is taken apart: a small file may unpack to a great many."""
    refuse_many(text.count(b",") + sum(map(text.count, _ENDS)), where, CELLS_LIMIT)
